#!/bin/sh
# Makes a key and a password for each user of the checks, where there is none; says what it made.
# Arguments: folder, names.
set -eu
umask 077
cd "$1"
shift
for name in "$@"; do
  if [ ! -s "$name.pub" ]; then
    rm -f "$name"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$name"
    chmod 644 "$name.pub"
    echo "made a key for $name"
  fi
  if [ ! -s "$name.password" ]; then
    openssl rand -hex 20 >"$name.password.new"
    mv "$name.password.new" "$name.password"
    echo "made a password for $name"
  fi
done
