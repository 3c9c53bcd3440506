"""How a certificate looks on paper and as a picture, and what becomes of a badge's image."""
