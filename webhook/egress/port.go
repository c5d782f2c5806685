package egress

import "slices"

// Ports returns a function for [Options.AllowPort] that allows the given ports
// and no other.
func Ports(ports ...uint16) func(port uint16) bool {
	ports = slices.Clone(ports)
	return func(port uint16) bool { return slices.Contains(ports, port) }
}

// DefaultAllowPort is the port rule of [Options]. It allows 443, and every port from
// 1024 on except those below, on which a well-known service other than HTTP listens.
// These are the ports that browsers refuse, and the usual ones of databases, caches,
// queues, directories, orchestrators, remote consoles and metrics:
//
//	1080 1099 1433 1434 1521 1719 1720 1723 1883 2049 2181 2375-2377 2379 2380
//	3128 3260 3306 3389 3659 4045 4190 4369 5037 5060 5061 5432 5433 5671 5672
//	5900-5903 5984-5986 6000-6063 6379 6380 6432 6443 6566 6660-6669 6679 6697
//	7000-7002 7199 7474 7687 8086 8125 8200 8300-8302 8500 8600 8983 9042 9092-9094
//	9100 9160 9200 9300 9418 10050 10051 10080 10250 10255-10259 11211 15672 16379
//	26257 26379 27017-27019 28015 50000 50070 61616
func DefaultAllowPort(port uint16) bool {
	if port < 1024 {
		return port == 443
	}
	switch port {
	case 1080, 1099, 1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2377, 2379, 2380,
		3128, 3260, 3306, 3389, 3659, 4045, 4190, 4369, 5037, 5060, 5061, 5432, 5433, 5671, 5672,
		5900, 5901, 5902, 5903, 5984, 5985, 5986, 6379, 6380, 6432, 6443, 6566, 6679, 6697,
		7000, 7001, 7002, 7199, 7474, 7687, 8086, 8125, 8200, 8300, 8301, 8302, 8500, 8600, 8983,
		9042, 9092, 9093, 9094, 9100, 9160, 9200, 9300, 9418,
		10050, 10051, 10080, 10250, 10255, 10256, 10257, 10258, 10259, 11211, 15672, 16379,
		26257, 26379, 27017, 27018, 27019, 28015, 50000, 50070, 61616:
		return false
	}
	x11 := port >= 6000 && port <= 6063
	irc := port >= 6660 && port <= 6669
	return !x11 && !irc
}
