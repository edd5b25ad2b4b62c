#!/bin/sh
# Imports images of archives, and removes the archives: import_images.sh ARCHIVE REFERENCE DIGEST [ARCHIVE REFERENCE DIGEST ...]
# containerd compares all that is in an archive with its checksum, and the digest says whether it is the wanted image.
set -eu
while [ $# -ge 3 ]; do
  archive=$1 reference=$2 digest=$3
  shift 3
  if ! said=$(ctr --namespace k8s.io images import "$archive" 2>&1); then
    echo "$archive: is not the image $reference, or it finds no room: $said; fix: make room if there is none, and run again: it is copied anew" >&2
    rm -f "$archive"
    exit 1
  fi
  if ! ctr --namespace k8s.io images list "name==$reference" | grep -qF "$digest"; then
    echo "$archive: imported, but containerd does not list $reference as $digest; fix: remove $archive on the controller, it is built anew" >&2
    exit 1
  fi
  # Of a pinned image the kubelet frees no space: without a registry nobody could bring it back.
  ctr --namespace k8s.io images label "$reference" io.cri-containerd.pinned=pinned > /dev/null
  rm -f "$archive"
done
