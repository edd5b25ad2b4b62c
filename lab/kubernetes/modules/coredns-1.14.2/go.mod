module strata/coredns-1.14.2

go 1.25.0

require (
	github.com/coredns/coredns v1.14.2
)
