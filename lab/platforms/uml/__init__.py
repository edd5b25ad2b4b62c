"""What User Mode Linux needs: the guest's kernel, built here, and the image that holds it with the guest's disk."""
