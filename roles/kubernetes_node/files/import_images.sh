#!/bin/sh
# Imports all images of an archive, and removes it: import_images.sh ARCHIVE REFERENCE DIGEST [REFERENCE DIGEST ...]
# containerd compares all that is in an archive with its checksum, and the digests say whether these are the wanted images.
set -eu
archive=$1
shift
trap 'rm -f "$archive"' EXIT
if ! said=$(ctr --namespace k8s.io images import "$archive" 2>&1); then
  echo "images: are damaged, or find no room: $said; fix: make room if there is none, and run again: they are copied anew" >&2
  exit 1
fi
listed=$(ctr --namespace k8s.io images list)
while [ $# -ge 2 ]; do
  reference=$1 digest=$2
  shift 2
  if ! echo "$listed" | grep -F "$reference " | grep -qF "$digest"; then
    echo "$reference: imported, but containerd does not list it as $digest; fix: remove the set on the controller, it is built anew" >&2
    exit 1
  fi
  # Of a pinned image the kubelet frees no space: without a registry nobody could bring it back.
  ctr --namespace k8s.io images label "$reference" io.cri-containerd.pinned=pinned > /dev/null
done
