/* tollgate.yaml: defaults, values, and every error with its position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/redis/redis_tls.h"
#include "base/redis/redis_options.h"
#include "base/scoped.h"
#include "policy/config/config.h"
#include "policy/config/options.h"
#include "policy/config/read.h"
#include "support/config_fix.h"
#include "support/temp_dir.h"

#define BASE "policy: p.yaml\nagent: {listen: unix@/a.sock}\n"

static void
defaults_equal_those_of_the_manual(void **state)
{
	struct arena a;
	struct diag d;
	const struct config *c = config_fix_load(&a, &d, BASE);
	char want[160];

	(void)state;
	assert_non_null(c);
	assert_true(strlen(c->node) > 0 && strlen(c->node) <= 64);
	assert_int_equal(c->workers, 0);
	assert_int_equal(c->nagent, 1);
	assert_string_equal(c->agent[0].path, "/a.sock");
	assert_int_equal(c->agent_deadline_us, 800000);
	assert_false(c->relay);
	assert_int_equal(c->ticket_ttl_us, 5000000);
	assert_int_equal(c->relay_read_us, 30000000);
	assert_int_equal(c->relay_response_us, 600000000);
	assert_int_equal(c->relay_idle_us, 60000000);
	assert_int_equal(c->relay_pool, 64);
	assert_false(c->has_admin || c->has_admin_tcp);
	assert_null(c->redis_url);
	assert_int_equal(c->redis_deadline_us, 200000);
	assert_null(c->journal);
	assert_int_equal(c->journal_segment_bytes, 64 << 20);
	assert_false(c->audit_stream);
	assert_int_equal(c->audit_stream_maxlen, 1000000);
	assert_int_equal(c->audit_stream_bytes, 256 << 20);
	assert_int_equal(c->body_bytes, 32 << 20);
	assert_int_equal(c->held_bytes, 256 << 20);
	assert_int_equal(c->held_identity_bytes, 64 << 20);
	assert_int_equal(c->min_rate_bytes, 1024);
	assert_int_equal(c->inflate_ratio, 100);
	assert_int_equal(c->log_format, LOG_LOGFMT);
	assert_int_equal(c->log_level, LOG_INFO);
	assert_int_equal(c->log_to, LOG_TO_STDERR);
	assert_int_equal(c->nbackends, 0);
	snprintf(want, sizeof(want), "%s/p.yaml", dir);
	assert_string_equal(c->policy, want);
	config_fix_done(&a, &d);
}

/* A quarter of the memory for all, but at least one body. */
static void
memory_per_identity_follows_from_the_total(void **state)
{
	static const struct {
		const char *limits;
		uint64_t held_mb;
	} rows[] = {
		{ "limits: {held: 1g}\n", 256 },
		{ "limits: {held: 100m}\n", 32 },
		{ "limits: {body: 1m, held: 100m}\n", 25 },
		{ "limits: {held: 1g, held_per_identity: 40m}\n", 40 },
		{ "limits: {body: 128m}\n", 128 },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct diag d;
		snprintf(text, sizeof(text), "%s%s", BASE, rows[i].limits);
		const struct config *c = config_fix_load(&a, &d, text);
		assert_non_null(c);
		assert_int_equal(c->held_identity_bytes, rows[i].held_mb << 20);
		config_fix_done(&a, &d);
	}
}

/* A request that waits in HAProxy's queue for the relay must still find its decision. */
static void
ticket_outlives_the_queue_of_the_shipped_file(void **state)
{
	FILE *f = fopen("haproxy/tollgate.cfg", "r");
	char line[512], value[32];
	uint64_t queue_us = 0, connect_us = 0;
	struct arena a;
	struct diag d;

	(void)state;
	if (!f)
		skip(); /* the file is not available */
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " timeout queue %31s", value) == 1)
			assert_int_equal(duration_parse(span_str(value), &queue_us), 0);
		if (sscanf(line, " timeout connect %31s", value) == 1)
			assert_int_equal(duration_parse(span_str(value), &connect_us), 0);
	}
	fclose(f);
	const struct config *c = config_fix_load(&a, &d, BASE);
	assert_non_null(c);
	assert_true(queue_us > 0 && connect_us > 0);
	assert_true(queue_us + connect_us < c->ticket_ttl_us);
	config_fix_done(&a, &d);
}

static void
each_option_is_read(void **state)
{
	struct arena a;
	struct diag d;
	const struct config *c = config_fix_load(&a, &d,
		"node: gate-1\nworkers: 3\ngroup: haproxy\npolicy: /p.yaml\ndetectors: det\n"
		"backends: [openai, local]\ndemo_issuer: iss.yaml\nbody_variable: true\n"
		"agent: {listen: ['unix@/a', 127.0.0.1:12345, '[::1]:1', localhost:9], "
		"deadline: 700ms}\n"
		"relay: {listen: unix@r.sock, egress: unix@/e, ticket_ttl: 10s, read_timeout: "
		"1s,\n"
		"  response_timeout: 1m, idle_timeout: 2m, pool: 0}\n"
		"admin: {listen: unix@/adm, tcp: '127.0.0.1:9464', token_file: t,\n"
		"  tls: {listen: '0.0.0.0:9443', certificate: c, key: /k, clients: ca}, "
		"tokens: /t,\n"
		"  users: {alice: operator, '1005': [viewer, auditor]}, hosts: [gw.example], "
		"console: true}\n"
		"redis: {url: 'redis://:pw@h:1/2', deadline: 20ms}\n"
		"audit: {journal: j, key: k, segment: 1m, stream_maxlen: 0, origin: logs/x}\n"
		"limits: {body: 1m, held: 1g, held_per_identity: 2m, min_rate: 0, "
		"inflate_ratio: 5}\n"
		"log: {format: json, level: debug, to: journald}\n");
	char want[160];

	(void)state;
	if (!c)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	assert_string_equal(c->node, "gate-1");
	assert_int_equal(c->workers, 3);
	assert_string_equal(c->socket_group, "haproxy");
	assert_string_equal(c->policy, "/p.yaml");
	assert_int_equal(c->nbackends, 2);
	assert_string_equal(c->backends[1], "local");
	assert_true(c->body_variable);
	assert_int_equal(c->nagent, 4);
	assert_null(c->agent[1].path);
	assert_string_equal(c->agent[1].host, "127.0.0.1");
	assert_int_equal(c->agent[1].port, 12345);
	assert_string_equal(c->agent[2].host, "::1");
	assert_string_equal(c->agent[3].host, "127.0.0.1");
	assert_string_equal(c->agent[2].text, "[::1]:1");
	assert_int_equal(c->agent_deadline_us, 700000);
	assert_true(c->relay);
	snprintf(want, sizeof(want), "%s/r.sock", dir);
	assert_string_equal(c->relay_listen.path, want);
	assert_int_equal(c->relay_pool, 0);
	assert_true(c->has_admin && c->has_admin_tcp);
	assert_true(c->has_admin_tls && c->admin_tls.port == 9443 && c->admin_console);
	snprintf(want, sizeof(want), "%s/c", dir);
	assert_string_equal(c->admin_tls_section.certificate, want);
	assert_string_equal(c->admin_tls_section.key, "/k");
	assert_string_equal(c->admin_tokens, "/t");
	assert_int_equal(c->nadmin_users, 2);
	assert_string_equal(c->admin_users[1].name, "1005");
	assert_int_equal(c->admin_users[0].roles, ROLE_VIEWER | ROLE_OPERATOR);
	assert_int_equal(c->admin_users[1].roles, ROLE_VIEWER | ROLE_AUDITOR);
	assert_string_equal(c->admin_hosts[0], "gw.example");
	assert_string_equal(c->redis_url, "redis://:pw@h:1/2");
	assert_true(c->audit_stream);
	assert_int_equal(c->audit_stream_maxlen, 0);
	assert_string_equal(c->audit_origin, "logs/x");
	assert_int_equal(c->held_bytes, 1 << 30);
	assert_int_equal(c->inflate_ratio, 5);
	assert_int_equal(c->log_format, LOG_JSON);
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_int_equal(c->log_to, LOG_TO_JOURNALD);
	snprintf(want, sizeof(want), "%s/iss.yaml", dir);
	assert_string_equal(c->demo_issuer, want);
	config_fix_done(&a, &d);
}

static void
configuration_errors_have_their_position(void **state)
{
	static const struct {
		const char *name, *in,
			*want; /* want: after the file's name; several in order */
	} rows[] = {
		{ "a webhook's events",
			BASE "notify: {url: 'https://h/x', events: [pin, pins]}\n",
			":3:44: value: one of budget, breaker, degraded, pin is expected" },
		{ "events without a webhook", BASE "notify: {events: [pin]}\n",
			":3:1: notify.url: is missing" },
		{ "a webhook's URL, which is not repeated",
			BASE "notify: {url: 'https://me:SECRET@h/x'}\n",
			":3:15: notify.url: the URL must not contain a user or password" },
		{ "an unknown key", BASE "polcy: x\n",
			":3:1: polcy: unknown key, did you mean policy?" },
		{ "an unknown key of a section",
			"policy: p\nagent:\n  listen: unix@/a\n  dedline: 1s\n",
			":4:3: dedline: unknown key, did you mean deadline?; accepted: listen, "
			"deadline" },
		{ "no policy", "agent: {listen: unix@/a}\n", ":1:1: policy: is missing" },
		{ "no agent", "policy: p\n", ":1:1: agent: is missing" },
		{ "no listener", "policy: p\nagent: {deadline: 1s}\n",
			":2:1: agent.listen: is missing" },
		{ "a list at the top", "[1]\n",
			":1:1: configuration: a mapping is expected, found a list" },
		{ "a section that is a string", "policy: p\nagent: x\n",
			":2:8: agent: a mapping is expected, found a string" },
		{ "an address that is none", "policy: p\nagent: {listen: nonsense}\n",
			":2:17: agent.listen: unix@/path or ADDRESS:PORT is expected, found "
			"nonsense" },
		{ "a port out of range", "policy: p\nagent: {listen: '127.0.0.1:65536'}\n",
			":2:17: agent.listen: " },
		{ "port zero", "policy: p\nagent: {listen: '127.0.0.1:0'}\n",
			":2:17: agent.listen: " },
		{ "a host name", "policy: p\nagent: {listen: 'example.com:80'}\n",
			":2:17: agent.listen: " },
		{ "IPv6 without brackets", "policy: p\nagent: {listen: '::1:80'}\n",
			":2:17: agent.listen: " },
		{ "an empty list of listeners", "policy: p\nagent: {listen: []}\n",
			":2:17: agent.listen: the list is empty" },
		{ "the same listener twice", "policy: p\nagent: {listen: [unix@/a, unix@/a]}\n",
			":2:17: agent.listen: unix@/a is listed twice" },
		{ "a role that is none", BASE "admin: {users: {alice: [viewer, king]}}\n",
			":3:24: admin.users: alice: viewer, operator, auditor or a list" },
		{ "TLS without a key",
			BASE
			"admin: {tls: {listen: '127.0.0.1:1', certificate: c}, tokens: t}\n",
			":3:14: admin.tls.key: is missing" },
		{ "TLS that nobody could ask",
			BASE "admin: {tls: {listen: '127.0.0.1:1', certificate: c, key: k}}\n",
			":3:14: admin.tls: needs admin.tokens or admin.tls.clients" },
		{ "a socket for TLS",
			BASE
			"admin: {tls: {listen: unix@/a, certificate: c, key: k}, tokens: t}\n",
			":3:23: admin.tls.listen: ADDRESS:PORT is expected, found unix@/a" },
		{ "certificates without names",
			BASE "admin: {tls: {listen: '127.0.0.1:1', certificate: c, key: k, "
			     "clients: ca}}\n",
			":3:14: admin.tls.clients: needs admin.users" },
		{ "a console without tokens", BASE "admin: {listen: unix@/a, console: true}\n",
			":3:35: admin.console: needs admin.tokens" },
		{ "a console that opens, and is none", BASE "console: {open: true}\n",
			":3:17: console.open: needs admin.console" },
		{ "one that opens what nobody seals",
			BASE "console: {open: true}\nadmin: {listen: unix@/a, tokens: t, "
			     "console: true}\n",
			":3:17: console.open: needs the section seal" },
		{ "a host that is none", BASE "admin: {hosts: ['http://x']}\n",
			":3:17: admin.hosts: letters, digits" },
		{ "TCP for the relay", BASE "relay: {listen: '127.0.0.1:1', egress: unix@/e}\n",
			":3:17: relay.listen: unix@/path is expected, found 127.0.0.1:1" },
		{ "a relay without egress", BASE "relay: {listen: unix@/r}\n",
			":3:1: relay.egress: is missing" },
		{ "egress that is the relay itself",
			BASE "relay: {listen: unix@/r, egress: unix@/r}\n",
			":3:34: relay.egress: is the same as relay.listen" },
		{ "the relay on the agent's socket",
			BASE "relay: {listen: unix@/a.sock, egress: unix@/r}\n",
			":3:17: relay.listen: is the same as agent.listen" },
		{ "a socket path that no kernel takes",
			"policy: p\nagent: {listen: unix@/"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n",
			":2:17: agent.listen: the socket's path is longer than 107 bytes" },
		{ "a duration without unit",
			"policy: p\nagent: {listen: unix@/a, deadline: 800}\n",
			":2:36: deadline: a duration with its unit (800ms, 30s, 10m, 2h, 1d) "
			"from 10ms to 1m is expected, found 800" },
		{ "a duration out of bounds",
			"policy: p\nagent: {listen: unix@/a, deadline: 2m}\n",
			":2:36: deadline: " },
		{ "a size with a wrong unit", BASE "limits: {body: 1t}\n",
			":3:16: body: a size in bytes" },
		{ "a size that overflows", BASE "limits: {body: 99999999999999999g}\n",
			":3:16: body: a size in bytes" },
		{ "held below body", BASE "limits: {body: 32m, held: 1m}\n",
			":3:27: limits.held: must not be below limits.body" },
		{ "held per identity below body",
			BASE "limits: {body: 200m, held_per_identity: 100m}\n",
			":3:41: limits.held_per_identity: must not be below" },
		{ "a word that is no level", BASE "log: {level: loud}\n",
			":3:14: level: one of error, warn, info, debug is expected, found "
			"loud" },
		{ "yes is no truth value", BASE "body_variable: yes\n",
			":3:16: body_variable: true or false is expected, found yes" },
		{ "workers below one", BASE "workers: 0\n",
			":3:10: workers: a whole number from 1 to 1024 is expected, found 0" },
		{ "workers in words", BASE "workers: many\n", ":3:10: workers: " },
		{ "a node's name with a space", BASE "node: a b\n", ":3:7: node: " },
		{ "a backend given twice", BASE "backends: [a, b, a]\n",
			":3:18: backends: a is listed twice" },
		{ "a backend that HAProxy cannot name", BASE "backends: ['a b']\n",
			":3:12: backends: letters" },
		{ "a Redis URL of another kind, not repeated",
			BASE "redis: {url: 'http://:secret@x'}\n",
			":3:14: redis.url: " REDIS_URL_FORMS " is expected\n" },
		{ "a Redis URL with a broken port",
			BASE "redis: {url: 'redis://:secret@h:x/2'}\n",
			":3:14: redis.url: " REDIS_URL_FORMS " is expected\n" },
		{ "another Redis URL is named by its own option",
			BASE "state_key: k\nstate_file: f\ncache: {redis: 'http://x'}\n",
			":5:16: cache.redis: " REDIS_URL_FORMS " is expected\n" },
		{ "the password of a cache in Redis that is not configured",
			BASE "state_key: k\nstate_file: f\ncache: {password_file: pw}\n",
			":5:24: cache.password_file: needs cache.redis\n" },
		{ "a password in the URL and in a file",
			BASE "redis: {url: 'redis://:pw@h', password_file: pw}\n",
			":3:46: redis.password_file: redis.url already contains a password: "
			"remove one of the two\n" },
		{ "a user in the URL and beside it",
			BASE "redis: {url: 'redis://bob@h', user: tom}\n",
			":3:37: redis.user: redis.url already contains a user: remove one of "
			"the two\n" },
		{ "Sentinels' password without Sentinels",
			BASE "redis: {url: 'redis://h', sentinel_password_file: pw}\n",
			":3:51: redis.sentinel_password_file: is for Sentinels, and redis.url "
			"is not redis+sentinel://\n" },
		{ "a Sentinels' user without a password",
			BASE "redis: {url: 'redis+sentinel://h/m', sentinel_user: bob}\n",
			":3:53: redis.sentinel_user: needs "
			"redis.sentinel_password_file\n" },
		{ "authorities without TLS", BASE "redis: {url: 'redis://h', ca: ca.pem}\n",
			":3:31: redis.ca: needs TLS: use rediss:// in redis.url\n" },
		{ "a server's name without TLS",
			BASE "redis: {url: 'redis://h', server_name: x}\n",
			":3:40: redis.server_name: needs TLS: use rediss:// in redis.url\n" },
		{ "a client's name that Redis refuses",
			BASE "redis: {url: 'redis://h', client_name: a b}\n",
			":3:40: redis.client_name: letters, digits, dots, dashes or "
			"underscores "
			"are expected\n" },
#if TG_REDIS_TLS
		{ "a certificate without its key",
			BASE "redis: {url: 'rediss://h', cert: c.pem}\n",
			":3:34: redis.cert: needs redis.key\n" },
#else
		{ "TLS where hiredis has none", BASE "redis: {url: 'rediss://h'}\n",
			":3:14: redis.url: " REDIS_TLS_MISSING "\n" },
#endif
		{ "a collector without its URL", BASE "telemetry: {otlp: {ratio: 1}}\n",
			":3:19: telemetry.otlp: url is missing" },
		{ "a collector's URL with a query",
			BASE "telemetry: {otlp: {url: 'https://c/?a=b'}}\n",
			":3:25: telemetry.otlp: url: contains a query" },
		{ "a share over 1", BASE "telemetry: {otlp: {url: 'https://c', ratio: 1.5}}\n",
			":3:45: telemetry.otlp: ratio: a share" },
		{ "a share that is none",
			BASE "telemetry: {otlp: {url: 'https://c', ratio: 1.2.3}}\n",
			":3:45: telemetry.otlp: ratio: a share" },
		{ "a collector's secret in the open",
			BASE "telemetry: {otlp: {url: 'http://c', headers_file: h}}\n",
			":3:51: telemetry.otlp: headers_file: contains a secret: use an "
			"https://" },
		{ "and to a host that begins as this machine",
			BASE "telemetry: {otlp: {url: 'http://127.0.0.1.example', "
			     "headers_file: h}}\n",
			":3:67: telemetry.otlp: headers_file: contains a secret: use an "
			"https://" },
		{ "redis without url", BASE "redis: {deadline: 10ms}\n",
			":3:1: redis.url: is missing" },
		{ "a stream without Redis", BASE "audit: {journal: j, key: k, stream: true}\n",
			":3:37: audit.stream: needs redis.url" },
		{ "audit without key", BASE "audit: {journal: j}\n",
			":3:1: audit.key: is missing" },
		{ "an origin with a space", BASE "audit: {journal: j, key: k, origin: 'a b'}\n",
			":3:37: audit.origin: 'a b': a name of 1 to 255 bytes" },
		{ "an origin with a plus", BASE "audit: {journal: j, key: k, origin: a+b}\n",
			":3:37: audit.origin: 'a+b': a name" },
		{ "retention below six months",
			BASE "audit: {journal: j, key: k}\nretention: {age: 100d}\n",
			":4:18: retention.age: is below six months (183d)" },
		{ "retention without a journal", BASE "retention: {age: 400d}\n",
			":3:1: retention: needs audit.journal" },
		{ "a lock without an archive",
			BASE "audit: {journal: j, key: k}\nretention: {lock: 1d}\n",
			":4:19: retention.lock: needs retention.archive" },
		{ "a size that is none",
			BASE "audit: {journal: j, key: k}\nretention: {size: 200gigs}\n",
			":4:19: size: a size in bytes" },
		{ "an age that is none",
			BASE "audit: {journal: j, key: k}\nretention: {age: 400}\n",
			":4:18: age: a duration" },
		{ "nothing where a path belongs", "policy:\nagent: {listen: unix@/a}\n",
			":1:8: policy: a string is expected, found nothing" },
		{ "a key given twice", BASE "policy: q\n",
			":3:1: policy: given twice (first in line 1)" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct diag d;
		char want[512];
		const struct config *c = config_fix_load(&a, &d, rows[i].in);
		struct span got = buf_view(&d.text);
		snprintf(want, sizeof(want), "%s%s", path("c.yaml"), rows[i].want);
		if (c || d.errors != 1 || !span_starts(got, span_str(want)))
			fail_msg("%s: %u errors: %.*s", rows[i].name, d.errors, SPAN_ARG(got));
		config_fix_done(&a, &d);
	}
}

static void
all_errors_are_reported_together(void **state)
{
	struct arena a;
	struct diag d;

	(void)state;
	assert_null(config_fix_load(
		&a, &d, "policy: p\nx: 1\nworkers: no\nlog: {level: 1, color: 2}\n"));
	assert_int_equal(d.errors, 5); /* x, missing agent, workers, level, color */
	config_fix_done(&a, &d);
}

static void
shipped_sample_loads(void **state)
{
	struct arena a;
	struct diag d;

	(void)state;
	const struct config *c = config_fix_file(&a, &d, "policies/tollgate.yaml");
	if (!c)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	assert_true(c->relay && c->has_admin && c->journal);
	assert_string_equal(c->policy, "policies/default.yaml");
	config_fix_done(&a, &d);
}

/* The sample names every option of the table, with the table's default. */
static void
shipped_sample_documents_every_option(void **state)
{
	static char text[65536];
	FILE *f = fopen("policies/tollgate.yaml", "r");

	(void)state;
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct field *o = &config_options[i];
		const char *dot = strchr(o->key, '.');
		char want[128];
		bool tuned = o->fallback && o->kind != FIELD_TEXT;
		snprintf(want, sizeof(want), "%s: %s", dot ? dot + 1 : o->key,
			tuned ? o->fallback : "");
		if (!strstr(text, want))
			fail_msg("policies/tollgate.yaml lacks %s (%s)", o->key, want);
	}
}

static void
reload_reports_options_that_need_a_restart(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "nothing differs", BASE, "" },
		{ "what a reload changes",
			"policy: q.yaml\nagent: {listen: unix@/a.sock}\n"
			"backends: [x]\nlimits: {body: 1m}\n",
			"" },
		{ "a listener more",
			"policy: p.yaml\nagent: {listen: [unix@/a.sock, unix@/b.sock]}\n",
			"agent.listen" },
		{ "another listener", "policy: p.yaml\nagent: {listen: unix@/b.sock}\n",
			"agent.listen" },
		{ "values of every kind",
			BASE
			"node: other\nworkers: 3\ngroup: g\n"
			"body_variable: true\nlog: {format: json, level: debug, to: syslog}\n"
			"admin: {listen: unix@/m.sock, tcp: '127.0.0.1:9'}\n"
			"relay: {listen: unix@/r.sock, egress: unix@/i.sock, pool: 3, "
			"ticket_ttl: 9s}\n"
			"redis: {url: 'unix:/x'}\n"
			"audit: {journal: j, key: k, segment: 1m, stream: false, "
			"stream_maxlen: 7}\n",
			"node,workers,group,body_variable,relay.listen,relay.egress,relay."
			"ticket_ttl,"
			"relay.pool,admin.listen,admin.tcp,redis.url,audit.journal,"
			"audit.segment,audit.stream_maxlen,log.format,log.level,log.to" },
	};
	struct arena a, b;
	struct diag d, e;
	struct buf got;
	const struct config *now = config_fix_load(&a, &d, BASE);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct config *next = config_fix_load(&b, &e, rows[i].text);
		buf_init(&got, 0);
		if (!next)
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&e.text)));
		config_fixed_changes(now, next, &got);
		if (!span_is(buf_view(&got), rows[i].want))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&got)));
		buf_free(&got);
		config_fix_done(&b, &e);
	}
	config_fix_done(&a, &d);
}

static void
configuration_is_found_by_its_name(void **state)
{
	(void)state;
	assert_null(config_find("/nonexistent.yaml"));
	assert_string_equal(config_find("policies/tollgate.yaml"), "policies/tollgate.yaml");
}

/* The second instance on a host has its own paths for everything with a single writer or
 * listener. */
static void
second_instance_has_its_own_files(void **state)
{
	static const char text[] =
		"node: gw\npolicy: /p.yaml\nagent: {listen: unix@/s/agent.sock}\n"
		"relay: {listen: unix@/s/relay.sock, egress: unix@/r/inner.sock}\n"
		"admin: {listen: unix@/r/admin.sock}\nstate_key: /e/state.key\n"
		"audit: {journal: /v.d/journal/, key: /e/audit.key}\n";
	SCOPED_ARENA(a, 0, false);
	SCOPED_DIAG(d);
	char file[] = "/tmp/tgsecond.XXXXXX";
	int fd = mkstemp(file);

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	const struct config *first = config_load(&a, file, &d);
	setenv(CONFIG_INSTANCE, "b", 1);
	const struct config *second = config_load(&a, file, &d);
	unsetenv(CONFIG_INSTANCE);
	unlink(file);
	assert_non_null(first);
	assert_non_null(second);
	assert_string_equal(first->node, "gw");
	assert_string_equal(second->node, "gw_b");
	assert_string_equal(second->journal, "/v.d/journal-b");
	assert_string_equal(second->audit_key, "/e/audit-b.key");
	assert_string_equal(second->hash_key_of, "/e/audit.key");
	assert_string_equal(second->state_file, "/v.d/journal-b.live");
	assert_string_equal(second->relay_listen.path, "/s/relay-b.sock");
	assert_string_equal(second->agent[0].path, first->agent[0].path);
	assert_string_equal(second->admin.path, first->admin.path);
	/* each sees the other one's part as that instance sees its own */
	const struct config *of_first = config_part(first, CONFIG_OTHER),
			    *of_second = config_part(second, CONFIG_OTHER);
	assert_ptr_equal(config_part(first, CONFIG_OWN), first);
	assert_ptr_equal(config_part(of_first, CONFIG_OTHER), first);
	const struct config *const pairs[][2] = { { of_first, second }, { of_second, first } };
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		const struct config *x = pairs[i][0], *y = pairs[i][1];
		assert_string_equal(x->node, y->node);
		assert_string_equal(x->journal, y->journal);
		assert_string_equal(x->audit_key, y->audit_key);
		assert_string_equal(x->state_file, y->state_file);
		assert_string_equal(x->pins_file, y->pins_file);
		assert_string_equal(x->relay_listen.path, y->relay_listen.path);
		assert_string_equal(x->hash_key_of, y->hash_key_of);
		assert_int_equal(x->held_identity_bytes, y->held_identity_bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_equal_those_of_the_manual),
		cmocka_unit_test(each_option_is_read),
		cmocka_unit_test(configuration_errors_have_their_position),
		cmocka_unit_test(second_instance_has_its_own_files),
		cmocka_unit_test(all_errors_are_reported_together),
		cmocka_unit_test(shipped_sample_loads),
		cmocka_unit_test(shipped_sample_documents_every_option),
		cmocka_unit_test(reload_reports_options_that_need_a_restart),
		cmocka_unit_test(memory_per_identity_follows_from_the_total),
		cmocka_unit_test(ticket_outlives_the_queue_of_the_shipped_file),
		cmocka_unit_test(configuration_is_found_by_its_name),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
