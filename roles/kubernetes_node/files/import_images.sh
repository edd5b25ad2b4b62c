#!/bin/sh
# Imports images of archives, whose checksums have to be right, and removes the archives:
# import_images.sh ARCHIVE SHA256 REFERENCE DIGEST [ARCHIVE SHA256 REFERENCE DIGEST ...]
set -eu
while [ $# -ge 4 ]; do
  archive=$1 checksum=$2 reference=$3 digest=$4
  shift 4
  if ! echo "$checksum  $archive" | sha256sum --check --quiet > /dev/null; then
    echo "$archive: is not the image $reference: its checksum is another one; fix: run again, it is copied anew" >&2
    rm -f "$archive"
    exit 1
  fi
  ctr --namespace k8s.io images import "$archive" > /dev/null
  if ! ctr --namespace k8s.io images list "name==$reference" | grep -qF "$digest"; then
    echo "$archive: imported, but containerd does not list $reference as $digest; fix: remove $archive on the controller, it is built anew" >&2
    exit 1
  fi
  # Of a pinned image the kubelet frees no space: without a registry nobody could bring it back.
  ctr --namespace k8s.io images label "$reference" io.cri-containerd.pinned=pinned > /dev/null
  rm -f "$archive"
done
