"""What runs in the container around a virtual machine, with nothing but Python's own library: mounted there as the package `guest`."""
