"""How a mail leaves the house: over SMTP, or into a folder of this machine."""
