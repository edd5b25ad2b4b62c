"""What declarative steps share, whatever API they speak: wanted things, what is there, and the difference between them."""
