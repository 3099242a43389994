/* Starts a cluster of three nodes and a replica, and waits until all of them know it. */
#include <sys/stat.h>
#include <unistd.h>

#include "support/redis_cluster.h"

struct server node[NODES + 1]; /* the last one is a replica of the first */

bool cluster_tls; /* TLS to the cluster and among its nodes */

unsigned
node_port(int i)
{
	return cluster_tls ? node[i].tls_port : node[i].port;
}

bool
says(struct server *s, const char *command, const char *what)
{
	for (int i = 0; i < 3000; i++) {
		if (strstr(server_line(s, command), what))
			return true;
		usleep(10000);
	}
	return false;
}

void
cluster_waits(unsigned ms)
{
	for (int i = 0; i <= NODES; i++)
		if (node[i].pid > 0)
			server_do(&node[i], "CONFIG SET cluster-node-timeout %u", ms);
}

const char *
id(struct server *s)
{
	static char text[4][48];
	static unsigned turn;
	char *p = text[turn++ % 4];

	snprintf(p, sizeof(text[0]), "%s", server_do(s, "CLUSTER MYID"));
	return p;
}

int
cluster_start(void **state)
{
	if (temp_dir_make(state))
		return -1;
	if (cluster_tls && !certificates_made(dir))
		return -1;
	memset(node, 0, sizeof(node));
	for (int i = 0; i <= NODES; i++) {
		char conf[TLS_CONF_MAX + 256], tls[TLS_CONF_MAX] = "";
		if (cluster_tls)
			tls_conf(&node[i], dir, "tls-cluster yes\ntls-replication yes\n", tls);
		snprintf(conf, sizeof(conf),
			"%scluster-enabled yes\ncluster-node-timeout 15000\n"
			"cluster-replica-validity-factor 0\n",
			tls);
		server_start(&node[i], dir, false, conf);
	}
	for (int i = 0; i < NODES; i++) {
		int from = REDIS_SLOTS * i / NODES, to = REDIS_SLOTS * (i + 1) / NODES - 1;
		server_do(&node[i], "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
		for (int s = from; s <= to; s += 64) {
			char command[1024] = "CLUSTER ADDSLOTS";
			for (int k = s; k <= to && k < s + 64; k++)
				snprintf(command + strlen(command), 16, " %d", k);
			INVARIANT(!strcmp(server_line(&node[i], command), "OK"));
		}
	}
	for (int i = 1; i <= NODES; i++)
		server_do(&node[0], "CLUSTER MEET 127.0.0.1 %u", node_port(i));
	for (int i = 0; i <= NODES; i++)
		if (!says(&node[i], "CLUSTER INFO", "cluster_known_nodes:4") ||
			!says(&node[i], "CLUSTER INFO", "cluster_state:ok"))
			return -1;
	for (int i = 0;
		i < 3000 &&
		strcmp(server_do(&node[NODES], "CLUSTER REPLICATE %s", id(&node[0])), "OK");
		i++)
		usleep(10000);
	return says(&node[NODES], "INFO replication", "master_link_status:up") ? 0 : -1;
}

int
cluster_stop(void **state)
{
	for (int i = 0; i <= NODES; i++)
		server_kill(&node[i]);
	return temp_dir_remove(state);
}

const char *
key_of(int i, unsigned number)
{
	static char text[8][48];
	static unsigned turn;
	char *key = text[turn++ % 8];

	for (unsigned k = 0;; k++) {
		snprintf(key, sizeof(text[0]), "k:{%u.%u}:n", number, k);
		if (redis_slot(span_str(key)) * NODES / REDIS_SLOTS == (unsigned)i)
			return key;
	}
}
