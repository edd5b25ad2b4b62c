"""What is run in the throwaway container that builds the image, and the files it lays into it."""
