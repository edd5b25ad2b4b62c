"""Disk images of virtual machines, built here from Debian's packages."""
