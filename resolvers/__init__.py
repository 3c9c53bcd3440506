"""WHO may ask and HOW it is answered: capability, unit of work, service, loader."""
