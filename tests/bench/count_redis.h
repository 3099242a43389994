/* The Redis of a count: one client on a unix socket, texts by key that never expire, a clock
 * that does not advance. It knows the commands of quotas and of the epochs of Redis' data, and
 * ends the program at any other. */
#ifndef BENCH_COUNT_REDIS_H
#define BENCH_COUNT_REDIS_H

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

enum { COUNT_REDIS_KEYS = 512 };

struct count_redis {
	int listening, fd; /* fd -1: its client has not connected yet */
	redisReader *reader;
	struct buf out;
	struct {
		char name[200], value[64];
	} key[COUNT_REDIS_KEYS];
	size_t keys;
};

/* NULL if the key does not exist and !make. */
static inline char *
count_redis_value(struct count_redis *r, const char *name, bool make)
{
	for (size_t i = 0; i < r->keys; i++)
		if (!strcmp(r->key[i].name, name))
			return r->key[i].value;
	if (!make)
		return NULL;
	INVARIANT(r->keys < COUNT_REDIS_KEYS && strlen(name) < sizeof(r->key[0].name));
	strcpy(r->key[r->keys].name, name);
	return strcpy(r->key[r->keys++].value, "");
}

static inline void
count_redis_bulk(struct count_redis *r, const char *s)
{
	if (s)
		buf_printf(&r->out, "$%zu\r\n%s\r\n", strlen(s), s);
	else
		buf_str(&r->out, "$-1\r\n");
}

static inline void
count_redis_answer(struct count_redis *r, const redisReply *c, int64_t wall_ns)
{
#define ARG(i) (c->element[i]->str)
	const char *what = ARG(0);
	bool nx = false;
	char *v, text[32];

	if (!strcasecmp(what, "INFO")) {
		count_redis_bulk(r, "redis_version:7.0.15\r\nrun_id:count\r\n"
				    "maxmemory_policy:noeviction\r\nrole:master\r\n");
	} else if (!strcasecmp(what, "TIME")) {
		buf_str(&r->out, "*2\r\n");
		snprintf(text, sizeof(text), "%lld", (long long)(wall_ns / 1000000000));
		count_redis_bulk(r, text);
		count_redis_bulk(r, "0");
	} else if (!strcasecmp(what, "SET")) {
		for (size_t i = 3; i < c->elements; i++)
			nx = nx || !strcasecmp(ARG(i), "NX");
		if (nx && count_redis_value(r, ARG(1), false)) {
			count_redis_bulk(r, NULL);
		} else {
			snprintf(count_redis_value(r, ARG(1), true), 64, "%s", ARG(2));
			buf_str(&r->out, "+OK\r\n");
		}
	} else if (!strcasecmp(what, "CLIENT") || !strcasecmp(what, "PING")) {
		buf_str(&r->out, "+OK\r\n");
	} else if (!strcasecmp(what, "GET")) {
		count_redis_bulk(r, count_redis_value(r, ARG(1), false));
	} else if (!strcasecmp(what, "MGET")) {
		buf_printf(&r->out, "*%zu\r\n", c->elements - 1);
		for (size_t i = 1; i < c->elements; i++)
			count_redis_bulk(r, count_redis_value(r, ARG(i), false));
	} else if (!strcasecmp(what, "HMGET")) { /* a field is a key "KEY FIELD" */
		buf_printf(&r->out, "*%zu\r\n", c->elements - 2);
		for (size_t i = 2; i < c->elements; i++) {
			char field[200];
			snprintf(field, sizeof(field), "%s %s", ARG(1), ARG(i));
			count_redis_bulk(r, count_redis_value(r, field, false));
		}
	} else if (!strcasecmp(what, "HINCRBY")) {
		char field[200];
		snprintf(field, sizeof(field), "%s %s", ARG(1), ARG(2));
		v = count_redis_value(r, field, true);
		snprintf(v, 64, "%lld", strtoll(v, NULL, 10) + strtoll(ARG(3), NULL, 10));
		buf_printf(&r->out, ":%s\r\n", v);
	} else if (!strcasecmp(what, "INCRBY") || !strcasecmp(what, "DECRBY")) {
		v = count_redis_value(r, ARG(1), true);
		long long by = strtoll(ARG(2), NULL, 10);
		snprintf(v, 64, "%lld", strtoll(v, NULL, 10) + (*what == 'D' ? -by : by));
		buf_printf(&r->out, ":%s\r\n", v);
	} else if (!strcasecmp(what, "EXPIRE") || !strcasecmp(what, "ZADD") ||
		   !strcasecmp(what, "ZREMRANGEBYSCORE") || !strcasecmp(what, "ZCARD")) {
		buf_str(&r->out, ":1\r\n");
	} else if (!strcasecmp(what, "ZCOUNT")) {
		buf_str(&r->out, ":0\r\n");
	} else if (!strcasecmp(what, "ZRANGE")) {
		buf_str(&r->out, "*0\r\n");
	} else {
		fprintf(stderr, "count: the Redis of a count does not know %s\n", what);
		exit(2);
	}
#undef ARG
}

/* Answers the commands that have arrived. */
static inline void
count_redis_turn(struct count_redis *r, int64_t wall_ns)
{
	char bytes[65536];
	void *c;
	ssize_t n;

	if (r->fd < 0)
		r->fd = accept4(r->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (r->fd < 0)
		return;
	while ((n = recv(r->fd, bytes, sizeof(bytes), 0)) > 0)
		redisReaderFeed(r->reader, bytes, (size_t)n);
	while (redisReaderGetReply(r->reader, &c) == REDIS_OK && c) {
		count_redis_answer(r, c, wall_ns);
		freeReplyObject(c);
	}
	struct span s = buf_view(&r->out);
	INVARIANT(!s.n || send(r->fd, s.p, s.n, MSG_NOSIGNAL) == (ssize_t)s.n);
	buf_clear(&r->out);
}

#endif
