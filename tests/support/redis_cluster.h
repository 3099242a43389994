/* A cluster of three nodes and a replica, for one test. For one file of a test program. */
#ifndef TESTS_REDIS_CLUSTER_H
#define TESTS_REDIS_CLUSTER_H

#include "base/redis/redis_map.h"
#include "support/redis_servers.h"
#include "support/temp_dir.h"

enum { NODES = 3 };

extern struct server node[NODES + 1]; /* the last one is a replica of the first */
extern bool cluster_tls;	      /* TLS to the cluster and among its nodes */

/* Returns the port for clients, with TLS if the cluster has it. */
unsigned node_port(int i);

/* Waits at most 30 s until the reply to a command contains `what`. Returns false if it never
 * does. */
bool says(struct server *s, const char *command, const char *what);

/* Sets how long a node may be silent before the others consider it lost. The default of 15 s is
 * longer than pauses of a machine; a test shortens it to remove a node. */
void cluster_waits(unsigned ms);

/* Valid until the fourth call after this one. */
const char *id(struct server *s);

/* For cmocka: starts the cluster in a new folder and waits until it is complete. */
int cluster_start(void **state);

/* For cmocka: kills the nodes and removes the folder. */
int cluster_stop(void **state);

/* Returns a key in the slots of node i. */
const char *key_of(int i, unsigned number);

#endif
