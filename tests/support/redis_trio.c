/* Starts a master, its replica and three Sentinels, and waits until they know each other. */
#include <string.h>
#include <unistd.h>

#include "support/redis_trio.h"

static unsigned
trio_port(const struct trio *t, const struct server *s)
{
	return t->tls ? s->tls_port : s->port;
}

/* Starts one of its servers or Sentinels. */
static void
trio_server(
	struct trio *t, struct server *s, const char *below, bool sentinel, const char *conf)
{
	char all[TLS_CONF_MAX + 512], tls[TLS_CONF_MAX] = "";

	if (t->tls)
		tls_conf(s, below, "tls-replication yes\n", tls);
	snprintf(all, sizeof(all), "%s%.500s", tls, conf);
	server_start(s, below, sentinel, all);
}

void
trio_start_tls(struct trio *t, const char *below, const char *sentinel_conf, bool tls)
{
	char conf[512];

	memset(t, 0, sizeof(*t));
	t->tls = tls;
	trio_server(t, &t->server[0], below, false, "requirepass pw\nmasterauth pw\n");
	snprintf(conf, sizeof(conf), "requirepass pw\nmasterauth pw\nreplicaof 127.0.0.1 %u\n",
		trio_port(t, &t->server[0]));
	trio_server(t, &t->server[1], below, false, conf);
	for (int i = 0; i < 2; i++)
		server_do(&t->server[i], "AUTH pw");
	for (int i = 0; i < 3000 && !strstr(server_do(&t->server[1], "INFO replication"),
					    "master_link_status:up");
		i++)
		usleep(10000);
	snprintf(conf, sizeof(conf),
		"sentinel monitor m-1 127.0.0.1 %u 2\nsentinel auth-pass m-1 pw\n"
		"sentinel down-after-milliseconds m-1 30000\nsentinel failover-timeout m-1 "
		"3000\n%s",
		trio_port(t, &t->server[0]), sentinel_conf);
	for (int i = 0; i < SENTINELS; i++)
		trio_server(t, &t->sentinel[i], below, true, conf);
	/* Waits until the Sentinels know each other and the replica. */
	for (int i = 0; i < SENTINELS; i++) {
		if (sentinel_conf[0])
			server_do(&t->sentinel[i], "AUTH sp");
		for (int k = 0; k < 3000; k++) {
			if (!strncmp(server_do(&t->sentinel[i], "SENTINEL CKQUORUM m-1"),
				    "OK 3", 4) &&
				strstr(server_do(&t->sentinel[i], "INFO sentinel"), "slaves=1"))
				break;
			usleep(10000);
		}
	}
}

void
trio_start(struct trio *t, const char *below, const char *sentinel_conf)
{
	trio_start_tls(t, below, sentinel_conf, false);
}

void
trio_url(const struct trio *t, char url[TRIO_URL_MAX])
{
	snprintf(url, TRIO_URL_MAX,
		"redis%s+sentinel://:pw@127.0.0.1:1,127.0.0.1:%u,localhost:%u,127.0.0.1:%u/m-1",
		t->tls ? "s" : "", trio_port(t, &t->sentinel[0]), trio_port(t, &t->sentinel[1]),
		trio_port(t, &t->sentinel[2]));
}

void
trio_loses_soon(struct trio *t)
{
	for (int i = 0; i < SENTINELS; i++)
		server_do(&t->sentinel[i], "SENTINEL SET m-1 down-after-milliseconds 500");
}

void
trio_kill(struct trio *t)
{
	for (int i = 0; i < SENTINELS; i++)
		server_kill(&t->sentinel[i]);
	for (int i = 0; i < 2; i++)
		server_kill(&t->server[i]);
}
