/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What is said about mistakes in a configuration.
 */
#include "conf_helpers.h"

#define RULES                                                                                      \
	"allowed: accept or reject, then NETWORK:PORTS, such as reject 192.0.2.0/24:*, accept "    \
	"*:53, accept6 [2001:db8::]/32:1024-65535, up to 128, or nothing\n"

#define RATE                                                                                       \
	"16k to 128G (bytes per second, or with k, M, G, T, or bits with kbit, Mbit, Gbit), or "   \
	"unlimited\n"

static const struct {
	const char *text;
	const char *expected; /* all errors, a line each */
} mistakes[] =
	{
		/* structure */
		{"", "f.ini: [node] key: is missing (`peel keygen FILE` makes a key); allowed: the "
		     "path of a key "
		     "file, up to 255 characters\n"},
		{"key = k\n" KEY, "f.ini:1: key stands before the first [section]\n"},
		{KEY "keey = k\n",
			"f.ini:3: [node] keey: there is no such key; did you mean [node] key?\n"},
		{KEY "zzz = k\n", "f.ini:3: [node] zzz: there is no such key\n"},
		{KEY "queue = 3\n", "f.ini:3: [node] queue: there is no such key; did you mean "
				    "[exit] queue?\n"},
		{KEY "key = b\n", "f.ini:3: [node] key: is there already, in line 2\n"},
		{KEY "[tunel]\nrelay = yes\nfoo = 1\n",
			"f.ini:3: there is no section [tunel]; did you mean [tunnel]?; allowed: "
			"node, port, "
			"workers, aead, discovery, dht, tunnel, exit, bandwidth, accounting, log, "
			"metrics\n"},
		{KEY "[exit]\nrules = *:25\n",
			"f.ini:4: [exit] rules: has \"*:25\" where accept or "
			"reject belongs: each pattern has its own; " RULES},
		{KEY "[exit]\nrules = accept reject *:25\n",
			"f.ini:4: [exit] rules: has reject where a pattern belongs, behind "
			"accept; " RULES},
		{KEY "[exit]\nrules = accept *:53\n reject\n",
			"f.ini:4: [exit] rules: ends with a verb: its pattern is missing; " RULES},
		{KEY "[exit]\nrules = accept *:53\n reject 10.0.0.0/8\n",
			"f.ini:5: [exit] rules: \"10.0.0.0/8\" names no ports: write 10.0.0.0/8:* "
			"for "
			"all of them; " RULES},
		{KEY "[exit]\nrules = accept *:70000\n",
			"f.ini:4: [exit] rules: \"70000\" is neither a port nor a range of "
			"ports; " RULES},
		{KEY "[exit]\nrules = accept 2001:db8::/32:80\n",
			"f.ini:4: [exit] rules: \"2001:db8::/32\": an IPv6 address is written in "
			"brackets, [ADDRESS]/LENGTH:PORTS; " RULES},
		{KEY "[exit]\nrules = reject6 10.0.0.0/8:*\n",
			"f.ini:4: [exit] rules: 10.0.0.0/8 is an IPv4 network: accept6 and reject6 "
			"are "
			"for IPv6; " RULES},
		{KEY "[exit]\nrules = reject 10.0.0.1/8:*\n",
			"f.ini:4: [exit] rules: 10.0.0.1/8 has bits set behind its prefix of "
			"8; " RULES},
		{KEY "[exit]\nrules = reject *5:*\n",
			"f.ini:4: [exit] rules: \"*5\" is no network; " RULES},
		{KEY "[accounting]\nstart = month 31 00:00\n",
			"f.ini:4: [accounting] start: \"month 31 00:00\" is no start of a period; "
			"allowed: day HH:MM, week D HH:MM (1 is Monday, to 7), or month D HH:MM (1 "
			"to "
			"28)\n"},
		{KEY "[accounting]\nlimit = 1M\nsoft_limit = 2M\n",
			"f.ini:5: [accounting] soft_limit: is more than limit; allowed: 1k to "
			"1048576T "
			"(bytes, or with k, M, G, T), or off\n"},
		{KEY "[bandwidth]\nrate = fast\n",
			"f.ini:4: [bandwidth] rate: \"fast\" is not a rate; allowed: " RATE},
		{KEY "[bandwidth]\nrate = 10 Mbyte\n",
			"f.ini:4: [bandwidth] rate: \"10 Mbyte\" is not a rate; allowed: " RATE},
		{KEY "[bandwidth]\nrate = 100 kbit\n",
			"f.ini:4: [bandwidth] rate: 100 kbit is out of range; allowed: " RATE},
		{KEY "[bandwidth]\nrate = 1100 Gbit\n",
			"f.ini:4: [bandwidth] rate: 1100 Gbit is out of range; allowed: " RATE},
		{KEY "[bandwidth]\nburst = 1 M\n",
			"f.ini:4: [bandwidth] burst: \"1 M\" is not a size; allowed: 64k to 1T "
			"(bytes, or with k, M, G, T), or auto\n"},
		{KEY "[log]\n[node]\n", "f.ini:4: section [node] is there twice; put all its keys "
					"under the first\n"},
		{KEY "[log\nlevel = debug\n",
			"f.ini:3: a section begins with its name in brackets, alone on the line\n"},
		{KEY "[log] level = debug\n",
			"f.ini:3: a section begins with its name in brackets, alone on the line\n"},
		{KEY "  [log]\n", "f.ini:3: a section begins at the start of its line\n"},
		{KEY "just words\n", "f.ini:3: [node]: \"just words\" is neither \"key = value\" "
				     "nor a [section] nor a # comment\n"},
		{KEY "  more\n", "f.ini:3: [node]: begins with white space; only lists go on in "
				 "the next line\n"},
		{KEY "user = me # not you\n", "f.ini:3: [node]: a comment behind a value begins "
					      "with ';', not with '#'\n"},
		{KEY "[metrics]\nlisten = 192.0.2.1:80\n",
			"f.ini:4: [metrics] listen: other machines reach this address: set key; "
			"allowed: ADDRESS:PORT, such as 127.0.0.1:9469, or nothing\n"},
		{KEY "[metrics]\nlisten = 127.0.0.1:80\nkey = a b\n",
			"f.ini:5: [metrics] key: has characters that no header can carry; allowed: "
			"up to 127 characters, or nothing\n"},
		/* every kind of value */
		{KEY "community = xyz\n", "f.ini:3: [node] community: \"xyz\" has 3 characters, "
					  "not 40; allowed: default, tribler, or 40 "
					  "hexadecimal digits\n"},
		{KEY "community = 81ded07332bdc775aa5a46f96de9f8f390bbc9fg\n",
			"f.ini:3: [node] community: \"81ded07332bdc775aa5a46f96de9f8f390bbc9fg\" "
			"is not hexadecimal; "
			"allowed: default, tribler, or 40 hexadecimal digits\n"},
		{KEY "dht_community = tribler\n", "f.ini:3: [node] dht_community: \"tribler\" has "
						  "7 characters, not 40; allowed: default, or 40 "
						  "hexadecimal digits\n"},
		{KEY "[port]\ndriver = magic\n", "f.ini:4: [port] driver: there is no port driver "
						 "\"magic\"; allowed: socket"},
		{KEY "[port]\nlisten = 0.0.0.0\n",
			"f.ini:4: [port] listen: \"0.0.0.0\" has no port; allowed: ADDRESS:PORT, "
			"such as 0.0.0.0:8090 "
			"or [::]:8090\n"},
		{KEY "[port]\nlisten = ::1\n", "f.ini:4: [port] listen: \"::1\" has no port (write "
					       "[ADDRESS]:PORT); allowed: ADDRESS:PORT, "
					       "such as 0.0.0.0:8090 or [::]:8090\n"},
		{KEY "[port]\nlisten = localhost:80\n",
			"f.ini:4: [port] listen: \"localhost:80\" is not an address and a port; "
			"allowed: "
			"ADDRESS:PORT, such as 0.0.0.0:8090 or [::]:8090\n"},
		{KEY "[port]\nlisten = 1.2.3.4:65536\n",
			"f.ini:4: [port] listen: \"1.2.3.4:65536\" is not an address and a port; "
			"allowed: "
			"ADDRESS:PORT, such as 0.0.0.0:8090 or [::]:8090\n"},
		{KEY "[port]\nexit_address = ::1\n",
			"f.ini:4: [port] exit_address: ::1 is not an IPv4 address; allowed: an "
			"IPv4 address of this "
			"machine, or nothing\n"},
		{KEY "[port]\nexit_ports = 10-70000\n",
			"f.ini:4: [port] exit_ports: 10-70000 is out of range; allowed: "
			"FIRST-LAST, both 1024 to "
			"65535\n"},
		{KEY "[port]\nexit_ports = 5000\n",
			"f.ini:4: [port] exit_ports: \"5000\" is not a range of ports; allowed: "
			"FIRST-LAST, both 1024 "
			"to 65535\n"},
		{KEY "[port]\nbuffers = many\n", "f.ini:4: [port] buffers: \"many\" is not a "
						 "number; allowed: 1024 to 16777216, or auto\n"},
		{KEY "[port]\nbuffers = 1023\n", "f.ini:4: [port] buffers: 1023 is out of range; "
						 "allowed: 1024 to 16777216, or auto\n"},
		{KEY "[port]\nbuffers = 99999999999999999999\n",
			"f.ini:4: [port] buffers: 99999999999999999999 is out of range; allowed: "
			"1024 to 16777216, or "
			"auto\n"},
		{KEY "[workers]\ncores = 1, x\n", "f.ini:4: [workers] cores: \"x\" is not a CPU or "
						  "a range of CPUs; allowed: CPU numbers and "
						  "ranges, such as 2, 4-7, or nothing\n"},
		{KEY "[workers]\ncores = 1-3 2\n",
			"f.ini:4: [workers] cores: names CPU 2 twice; allowed: CPU numbers and "
			"ranges, such as 2, 4-7, "
			"or nothing\n"},
		{KEY "[workers]\ncores = 0-40\n",
			"f.ini:4: [workers] cores: names more than 32 CPUs; allowed: CPU numbers "
			"and ranges, such as 2, "
			"4-7, or nothing\n"},
		{KEY "[workers]\ncount = 0\n",
			"f.ini:4: [workers] count: 0 is out of range; allowed: 1 to 32\n"},
		{KEY "[workers]\ncount = -1\n",
			"f.ini:4: [workers] count: -1 is out of range; allowed: 1 to 32\n"},
		{KEY "[workers]\nidle = lazy\n", "f.ini:4: [workers] idle: \"lazy\" is not known; "
						 "allowed: auto, poll, sleep\n"},
		{KEY "[aead]\nengine = rot13\n",
			"f.ini:4: [aead] engine: there is no engine \"rot13\" in this build; "
			"allowed: auto, "}, /* ... */
		{KEY "[discovery]\nbootstrap = 1.2.3.4:5, nowhere\n",
			"f.ini:4: [discovery] bootstrap: \"nowhere\" is not a server and a port; "
			"allowed: ADDRESS:PORT "
			"or NAME:PORT, up to 64; default; or nothing\n"},
		{KEY "[discovery]\nbootstrap = 1.2.3:5\n",
			"f.ini:4: [discovery] bootstrap: \"1.2.3:5\" is not a server and a port; "
			"allowed: ADDRESS:PORT "
			"or NAME:PORT, up to 64; default; or nothing\n"},
		{KEY "[dht]\nprovider = ipv8 ipv8\n",
			"f.ini:4: [dht] provider: names ipv8 twice; allowed: ipv8, mainline, both, "
			"or nothing\n"},
		{KEY "[dht]\nprovider = chord\n",
			"f.ini:4: [dht] provider: there is no DHT \"chord\": it is not in this "
			"build; allowed: ipv8, mainline, both, or nothing\n"},
		{KEY "[dht]\nmainline_listen = 0.0.0.0:6881, [::]\n", "f.ini:4: [dht] "
								      "mainline_listen: \"[::]\" "
								      "is not an address and a "
								      "port; "}, /* ... */
		{KEY "[dht]\nmainline_listen =\n", "f.ini:4: [dht] mainline_listen: is empty; "},
		{KEY "[dht]\nmainline_bootstrap = a.example:0\n",
			"f.ini:4: [dht] mainline_bootstrap: \"a.example:0\" is not an address and "
			"a "
			"port; "},
		{KEY "[discovery]\npublic_address = 0.0.0.0:5\n",
			"f.ini:4: [discovery] public_address: is the unspecified address; allowed: "
			"ADDRESS:PORT as seen "
			"from the Internet, or nothing\n"},
		{KEY "[tunnel]\nrelay = maybe\n", "f.ini:4: [tunnel] relay: \"maybe\" is neither "
						  "yes nor no; allowed: yes, no (or true, false, "
						  "on, off)\n"},
		{KEY "[tunnel]\nmax_traffic = 10X\n",
			"f.ini:4: [tunnel] max_traffic: \"10X\" is not a size; allowed: 1k to "
			"1024T (bytes, or with k, "
			"M, G, T)\n"},
		{KEY "[tunnel]\nmax_traffic = 1025T\n",
			"f.ini:4: [tunnel] max_traffic: 1025T is out of range; allowed: 1k to "
			"1024T (bytes, or with k, "
			"M, G, T)\n"},
		{KEY "[exit]\ndns_timeout = 0.05\n", "f.ini:4: [exit] dns_timeout: 0.05 is out of "
						     "range; allowed: 0.1 to 60 seconds\n"},
		{KEY "[exit]\ndns_timeout = 1.\n", "f.ini:4: [exit] dns_timeout: \"1.\" is not a "
						   "time in seconds; allowed: 0.1 to 60 seconds\n"},
		{KEY "[exit]\ndeny = 10.0.0.1/8\n",
			"f.ini:4: [exit] deny: 10.0.0.1/8 has bits set behind its prefix of 8; "
			"allowed: networks such "
			"as 198.51.100.0/24 or 2001:db8::/32, up to 32, or nothing\n"},
		{KEY "[exit]\ndeny = 10.0.0.0/33\n",
			"f.ini:4: [exit] deny: \"10.0.0.0/33\" has no prefix length of 0 to 32; "
			"allowed: networks such "
			"as 198.51.100.0/24 or 2001:db8::/32, up to 32, or nothing\n"},
		{KEY "[exit]\ndns_servers = dns.example\n",
			"f.ini:4: [exit] dns_servers: \"dns.example\" is not an address; allowed: "
			"ADDRESS or "
			"ADDRESS:PORT, up to 8, or system\n"},
		/* values that do not fit together */
		{KEY "discovery_community = 81ded07332bdc775aa5a46f96de9f8f390bbc9f3\n",
			"f.ini:3: [node] discovery_community: is the same as community; allowed: "
			"default, or 40 "
			"hexadecimal digits\n"},
		{KEY "[workers]\nring = 1000\n", "f.ini:4: [workers] ring: 1000 is not a power of "
						 "two; allowed: 64 to 65536\n"},
		{KEY "[workers]\ncores = 1\ncount = 2\n",
			"f.ini:5: [workers] count: is there beside cores, which says how many "
			"workers there are; "
			"allowed: 1 to 32\n"},
		{KEY "[workers]\ncores = 1,2\ncontrol_core = 2\n",
			"f.ini:5: [workers] control_core: is the core of a worker, too; allowed: 0 "
			"to 1023, or auto\n"},
		{KEY "[workers]\ncontrol_core = 2\n",
			"f.ini:4: [workers] control_core: needs cores: workers without a core of "
			"their own would run "
			"there, too; allowed: 0 to 1023, or auto\n"},
		{KEY "[workers]\nhugepages = yes\nmemory = 64\n",
			"f.ini:5: [workers] memory: is for memory without hugepages, and hugepages "
			"= yes; allowed: 32 "
			"to 1048576, or auto\n"},
		{KEY "[tunnel]\nexit_bt = yes\nbecome_exitnode = no\n",
			"f.ini:5: [tunnel] become_exitnode: contradicts exit_bt, which means the "
			"same; allowed: yes, "
			"no (or true, false, on, off)\n"},
		{KEY "[exit]\npolicy = any\n", "f.ini:4: [exit] policy: any lets nothing out "
					       "without exit_bt or exit_ipv8 in [tunnel]; "
					       "allowed: standard, any\n"},
		{KEY "[port]\ndevice = net_null0\nmtu = 1500\n",
			"f.ini:4: [port] device: has no meaning with driver = socket: remove it, "
			"or set driver = "
			"ethdev; allowed: a PCI address (0000:03:00.0) or a DPDK device "
			"(net_af_packet0,iface=eth1)\n"
			"f.ini:5: [port] mtu: has no meaning with driver = socket: remove it, or "
			"set driver = ethdev; "
			"allowed: 576 to 9216, or auto\n"},
		{KEY "[port]\nlisten = 224.0.0.1:8090\nexit_address = 0.0.0.0\n",
			"f.ini:4: [port] listen: is not an address that one host has; allowed: "
			"ADDRESS:PORT, such as 0.0.0.0:8090 or [::]:8090\n"
			"f.ini:5: [port] exit_address: is not an address that one host has; "
			"allowed: "
			"an IPv4 address of this machine, or nothing\n"},
		/* several mistakes, all told */
		{"[node]\nkeey = k\nkey = k\n[workers]\ncount = 99\nidle = x\n",
			"f.ini:2: [node] keey: there is no such key; did you mean [node] key?\n"
			"f.ini:5: [workers] count: 99 is out of range; allowed: 1 to 32\n"
			"f.ini:6: [workers] idle: \"x\" is not known; allowed: auto, poll, "
			"sleep\n"},
},
  mistakes_ethdev[] = {
	  {KEY "[port]\ndriver = ethdev\n", "f.ini: [port] device: is missing: ethdev needs one; "
					    "allowed: a PCI address (0000:03:00.0) or a "
					    "DPDK device (net_af_packet0,iface=eth1)\n"
					    "f.ini: [port] address: is missing: ethdev needs one; "
					    "allowed: IPv4 address/prefix length, such "
					    "as 192.0.2.7/24\n"},
	  {ETHDEV "listen = 0.0.0.0:0\n", "f.ini:7: [port] listen: has port 0, which ethdev cannot "
					  "choose from; allowed: ADDRESS:PORT, "
					  "such as 0.0.0.0:8090 or [::]:8090\n"},
	  {ETHDEV "gateway = 10.1.3.1\n", "f.ini:7: [port] gateway: is not on the network of "
					  "address; where a provider's router is "
					  "outside of it, write address with the length /32; "
					  "allowed: an IPv4 address, or nothing\n"},
	  {ETHDEV "gateway = 10.1.2.3\n", "f.ini:7: [port] gateway: is our own address; "
					  "allowed: an IPv4 address, or nothing\n"},
	  {ETHDEV "gateway = 10.1.2.0\n",
		  "f.ini:7: [port] gateway: is the address of the network itself; "
		  "allowed: an IPv4 address, or nothing\n"},
	  {ETHDEV "gateway = 10.1.2.255\n",
		  "f.ini:7: [port] gateway: is the broadcast address of its network; "
		  "allowed: an IPv4 address, or nothing\n"},
	  {ETHDEV "gateway = 224.0.0.1\n",
		  "f.ini:7: [port] gateway: is not an address that a host has on a network; "
		  "allowed: an IPv4 address, or nothing\n"},
	  {ETHDEV "gateway6 = fd00::1\n", "f.ini:7: [port] gateway6: is given without address6; "
					  "allowed: an IPv6 address, or nothing\n"},
	  {ETHDEV "address6 = fd00::1/64\ngateway6 = fd01::1\n",
		  "f.ini:8: [port] gateway6: is not on the network of address6; where a provider's "
		  "router is "
		  "outside of it, write address6 with the length /128; "
		  "allowed: an IPv6 address, or nothing\n"},
	  {ETHDEV "address6 = fd00::/64\n",
		  "f.ini:7: [port] address6: is the address of the network itself; "
		  "allowed: IPv6 address/prefix length, such as 2001:db8::7/64, or nothing\n"},
	  {ETHDEV "address6 = ff02::1/64\n",
		  "f.ini:7: [port] address6: is not an address that a host has on a network; "
		  "allowed: IPv6 address/prefix length, such as 2001:db8::7/64, or nothing\n"},
	  {ETHDEV "address6 = ::1/128\n",
		  "f.ini:7: [port] address6: is not an address that a host has on a network; "
		  "allowed: IPv6 address/prefix length, such as 2001:db8::7/64, or nothing\n"},
	  {ETHDEV "address6 = fd00::1\n", "f.ini:7: [port] address6: fd00::1 says no network; "
					  "allowed: IPv6 address/prefix length, such "
					  "as 2001:db8::7/64, or nothing\n"},
	  {ETHDEV "address6 = fd00::1/64\nmtu = 1000\n",
		  "f.ini:8: [port] mtu: is below 1280, the least for IPv6; allowed: 576 to 9216, "
		  "or auto\n"},
	  {ETHDEV "exit_address = 10.1.2.3\n", "f.ini:7: [port] exit_address: has no meaning with "
					       "driver = ethdev: remove it; allowed: an IPv4 "
					       "address of this machine, or nothing\n"},
	  {ETHDEV "exit_ports = 2000-2009\n[exit]\nmax_sockets = 11\n",
		  "f.ini:9: [exit] max_sockets: is more than exit_ports has (10); allowed: 1 to "
		  "1000000\n"},
};

static void
expect_mistake(const char *text, const char *expected)
{
	static struct conf c;
	struct told t;

	if (parse(text, &c, &t) == 0)
		fail_msg("accepted:\n%s", text);
	if (expected[strlen(expected) - 1] == '\n'
			? strcmp(t.text, expected) != 0
			: strncmp(t.text, expected, strlen(expected)) != 0)
		fail_msg("for:\n%s\ngot:\n%s\nnot:\n%s", text, t.text, expected);
}

static void
test_mistakes_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(mistakes); i++)
		expect_mistake(mistakes[i].text, mistakes[i].expected);
}

static void
test_mistakes_of_ethdev_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(mistakes_ethdev) && port_find("ethdev") != NULL; i++)
		expect_mistake(mistakes_ethdev[i].text, mistakes_ethdev[i].expected);
}

#define SERVICES                                                                                   \
	"; allowed: NAME, id:HEX or torrent:HEX, each perhaps with /HOPS, up to 64, or nothing\n"

static const struct {
	const char *text, *expected;
} client_mistakes[] = {
	{"", "f.ini: [socks]: names no listener: set one of hops1 to hops8\n"},
	{"[socks]\nhops1 = 127.0.0.1\n",
		"f.ini:2: [socks] hops1: \"127.0.0.1\" has no port; allowed: "
		"ADDRESS:PORT, or nothing\n"},
	{"[socks]\nhops1 = localhost:1\n",
		"f.ini:2: [socks] hops1: \"localhost:1\" is not an address "
		"and a port; allowed: ADDRESS:PORT, or nothing\n"},
	{"[socks]\nhops1 = 0.0.0.0:1\n",
		"f.ini:2: [socks] hops1: other machines reach this address: set user and password; "
		"allowed: ADDRESS:PORT, or nothing\n"},
	{"[socks]\nhops1 = 127.0.0.1:1\nhops3 = 127.0.0.1:1\n",
		"f.ini:3: [socks] hops3: is the same as hops1; allowed: ADDRESS:PORT, or "
		"nothing\n"},
	{"[socks]\nhops1 = 127.0.0.1:1\nuser = a\n",
		"f.ini: [socks] password: is missing: they belong together; allowed: up to 255 "
		"characters, or nothing\n"},
	{"[socks]\nhops1 = 127.0.0.1:1\npassword = a\n",
		"f.ini: [socks] user: is missing: they belong together; allowed: a name of up to "
		"255 characters, or nothing\n"},
	{"[socks]\nhops3 = 127.0.0.1:1\n[tunnel]\nmax_relay_early = 2\n",
		"f.ini:2: [socks] hops3: is longer than max_relay_early in [tunnel] lets a circuit "
		"grow; allowed: ADDRESS:PORT, or nothing\n"},
	{"[socks]\nhops1 = 127.0.0.1:1\n[client]\nmin_circuits = 9\n",
		"f.ini:4: [client] min_circuits: is more than max_circuits, 8; allowed: 0 to 64\n"},
	{"[socks]\nhops1 = 127.0.0.1:1\n[client]\ncircuit_timeout = 9\n",
		"f.ini:4: [client] circuit_timeout: is less than next_hop_timeout in [tunnel], 10: "
		"no circuit would be tried; allowed: 1 to 3600 seconds\n"},
	{"[socks]\nhops9 = 127.0.0.1:1\n",
		"f.ini:2: [socks] hops9: there is no such key; did you mean [socks] hops1?\n"},
	{"[sock]\n",
		"f.ini:1: there is no section [sock]; did you mean [socks]?; allowed: node, port, "
		"workers, aead, discovery, dht, tunnel, exit, bandwidth, accounting, client, "
		"socks, services, "
		"log, "
		"metrics\n"},
	{"[socks]\nhops1 = 127.0.0.1:1\n[services]\njoin = chat\n",
		"f.ini:4: [services] join: chat has 3 hops, and [socks] hops3 is not set" SERVICES},
	{"[socks]\nhops1 = 127.0.0.1:1\n[services]\npublish = chat/1 chat/1\n",
		"f.ini:4: [services] publish: names chat twice" SERVICES},
	{"[socks]\nhops1 = 127.0.0.1:1\nhops2 = 127.0.0.1:2\n[services]\njoin = chat/1\n"
	 "publish = chat/2\n",
		"f.ini:6: [services] publish: chat has other hops than in join" SERVICES},
	{"[socks]\nhops1 = 127.0.0.1:1\n[services]\njoin = chat/9\n",
		"f.ini:4: [services] join: \"9\" is not a number of hops, 1 to 7" SERVICES},
	{"[socks]\nhops1 = 127.0.0.1:1\n[services]\njoin = /1\n",
		"f.ini:4: [services] join: a name has 1 to 63 characters" SERVICES},
	{"[socks]\nhops1 = 127.0.0.1:1\n[services]\njoin = caf\xc3\xa9/1\n",
		"f.ini:4: [services] join: a name here has no spaces, commas, or characters beyond "
		"ASCII; write others as id:HEX, with the digits that `peel service publish` "
		"prints" SERVICES},
	{"[socks]\nhops1 = 127.0.0.1:1\n[services]\njoin = torrent:0123/1\n",
		"f.ini:4: [services] join: \"torrent:\" is not followed by 40 hexadecimal "
		"digits" SERVICES},
};

static void
test_mistakes_of_a_client_are_told(void **state)
{
	struct conf c;
	struct told t;

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(client_mistakes); i++) {
		assert_int_equal(parse_client(client_mistakes[i].text, &c, &t), 1);
		assert_string_equal(t.text, client_mistakes[i].expected);
	}
	/* A relay has no use for these; one line is enough. */
	assert_int_equal(parse(KEY "[socks]\nhops1 = 127.0.0.1:1\nhops2 = x\n", &c, &t), 1);
	assert_string_equal(t.text,
		"f.ini:3: section [socks] is for `peel client`, and this is read "
		"by `peel relay`\n");
	assert_int_equal(parse(KEY "[client]\n", &c, &t), 1);
}

static void
test_long_lines(void **state)
{
	struct conf c;
	struct told t;
	char text[8192];
	int n;

	(void)state;
	/* Fits, and arrives whole: 64 servers. */
	n = snprintf(text, sizeof(text), KEY "[discovery]\nbootstrap =");
	for (int i = 0; i < PEEL_BOOTSTRAP_MAX; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " 192.0.2.%d:%d%s", i, 1000 + i,
			i % 8 == 7 ? "\n" : ",");
	parse_ok(text, &c);
	assert_int_equal(c.node.n_bootstrap, PEEL_BOOTSTRAP_MAX);
	assert_addr(&c.node.bootstrap[63], "192.0.2.63:1063");
	/* One too many. */
	snprintf(text + n, sizeof(text) - (size_t)n, " 192.0.2.99:1\n");
	assert_int_equal(parse(text, &c, &t), 1);
	assert_non_null(
		strstr(t.text, "f.ini:12: [discovery] bootstrap: has more than 64 servers"));
	/* Cut nowhere, told instead. */
	n = snprintf(text, sizeof(text), KEY "management = ");
	memset(text + n, 'a', 6000);
	text[n + 6000] = '\0';
	assert_int_equal(parse(text, &c, &t), 1);
	assert_non_null(strstr(t.text, "f.ini:3: [node]: line is longer than "));
	/* Longer than the field. */
	text[n + 108] = '\0';
	assert_int_equal(parse(text, &c, &t), 1);
	assert_non_null(strstr(t.text, "f.ini:3: [node] management: is too long (108 characters); "
				       "allowed: a path of up to 107"));
	text[n + 107] = '\0';
	parse_ok(text, &c);
	assert_int_equal(strlen(c.node.management), 107);
}

static void
test_binary_and_control_bytes(void **state)
{
	static const char nul[] = "[node]\nkey = a\0b\n";
	struct conf c;
	struct told t;

	(void)state;
	assert_true(parse_bytes(nul, sizeof(nul) - 1, &c, &t) > 0);
	assert_non_null(strstr(t.text, "f.ini:2: line has a NUL byte"));
	/* An escape sequence must not reach the terminal. */
	assert_int_equal(parse(KEY "a\x1b[31m = 1\n", &c, &t), 1);
	assert_null(strchr(t.text, 0x1b));
}

static void
test_endless_errors_are_cut(void **state)
{
	struct conf c;
	struct told t = {.n = 0};
	char *text = calloc(1, 4096);

	(void)state;
	for (int i = 0; i < 1000; i++)
		memcpy(text + 2 * i, "x\n", 2);
	assert_int_equal(conf_parse(CONF_FOR_RELAY, "f.ini", text, 2000, &c, on_error, &t), 1000);
	assert_int_equal(t.n, CONF_ERRORS_MAX + 1);
	free(text);
}

static void
test_unreadable_file(void **state)
{
	struct conf c;
	struct told t = {.n = 0};

	(void)state;
	assert_int_equal(conf_load(CONF_FOR_RELAY, "/nonexistent/f.ini", &c, on_error, &t), 1);
	assert_string_equal(t.text, "/nonexistent/f.ini: No such file or directory\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mistakes_are_told),
		cmocka_unit_test(test_mistakes_of_ethdev_are_told),
		cmocka_unit_test(test_mistakes_of_a_client_are_told),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_binary_and_control_bytes),
		cmocka_unit_test(test_endless_errors_are_cut),
		cmocka_unit_test(test_unreadable_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
