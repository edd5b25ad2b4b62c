module strata/etcd-3.6

go 1.24.0

require (
	go.etcd.io/etcd/server/v3 v3.6.8
	go.etcd.io/etcd/etcdctl/v3 v3.6.8
	go.etcd.io/etcd/etcdutl/v3 v3.6.8
)
