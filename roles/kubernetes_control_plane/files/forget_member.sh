#!/bin/sh
# Takes a control plane that is lost out of etcd and out of the cluster, so that another machine of its name can join: forget_member.sh NODE
# Says what it forgot; nothing where nobody knows the name.
set -eu
node=$1
pki=/etc/kubernetes/pki/etcd
etcd() {
  etcdctl --endpoints=https://127.0.0.1:2379 --cacert="$pki/ca.crt" --cert="$pki/server.crt" --key="$pki/server.key" "$@"
}
# ID, status, name, and so on; a member that was added and never came has no name.
etcd member list --write-out=simple | awk -F', ' -v node="$node" '$3 == node { print $1 }' | while read -r member; do
  etcd member remove "$member" > /dev/null
  echo "member $member of etcd"
done
export KUBECONFIG=/etc/kubernetes/admin.conf
if [ -n "$(kubectl get node "$node" --ignore-not-found --output=name)" ]; then
  kubectl delete node "$node" --wait=false
fi
