/* tollgate check --json. */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/redis/redis_life.h"
#include "base/redis/redis_options.h"
#include "base/redis/redis_sync.h"
#include "base/span.h"
#include "cmd/cmd.h"
#include "cmd/given.h"
#include "cmd/probe.h"
#include "gate/auth/auth.h"
#include "operator/admin/tls.h"
#include "operator/edge/judge.h"
#include "operator/edge/reach.h"
#include "operator/server/opens.h"
#include "operator/telemetry/otlp.h"
#include "policy/advice/notes.h"
#include "policy/config/models.h"
#include "policy/config/options.h"
#include "policy/config/read.h"
#include "policy/identity/identity.h"
#include "policy/own.h"
#include "record/anchors/anchors.h"
#include "record/anchors/witness.h"
#include "record/archive/keep.h"
#include "record/archive/kept_policy.h"
#include "record/audit/keys.h"
#include "record/journal/recover.h"
#include "record/journal/signkey.h"
#include "record/seal/store.h"

/* "file:line:column: message"; without a column, or a line, where there is none. */
static json_t *
json_mistake(struct span line)
{
	json_int_t at[2] = { 0, 0 };
	struct span file = { NULL, 0 }, rest = line;
	json_t *o = json_object();

	for (size_t i = 0; i + 1 < line.n; i++) {
		size_t k = i + 1, n = 0;
		if (line.p[i] != ':')
			continue;
		while (n < 2 && k < line.n && line.p[k] >= '0' && line.p[k] <= '9') {
			for (at[n] = 0; k < line.n && line.p[k] >= '0' && line.p[k] <= '9'; k++)
				at[n] = at[n] * 10 % 1000000000 + (line.p[k] - '0');
			n++;
			if (k < line.n && line.p[k] == ':')
				k++;
		}
		if (n && k < line.n && line.p[k] == ' ' && line.p[k - 1] == ':') {
			file = span_cut(line, 0, i);
			rest = span_cut(line, k + 1, line.n);
			at[1] = n == 2 ? at[1] : 0;
			break;
		}
		at[0] = at[1] = 0;
	}
	if (file.p)
		json_object_set_new(o, "file", json_stringn(file.p, file.n));
	if (at[0])
		json_object_set_new(o, "line", json_integer(at[0]));
	if (at[1])
		json_object_set_new(o, "column", json_integer(at[1]));
	json_t *text = json_stringn(rest.p, rest.n);
	json_object_set_new(o, "message", text ? text : json_string("no UTF-8"));
	return o;
}

static json_t *
lines_of(const struct buf *from, json_t *(*one)(struct span line), json_t *list)
{
	struct span rest = buf_view(from);

	while (rest.n)
		json_array_append_new(list, one(span_next(&rest, '\n')));
	return list;
}

static json_t *
note_of(struct span line)
{
	struct span s =
		span_starts(line, SPAN_LIT("note: ")) ? span_cut(line, 6, line.n) : line;
	json_t *text = json_stringn(s.p, s.n);

	return text ? text : json_string("no UTF-8");
}

static void
check_print_json(bool valid, json_t *more, const struct buf *errors, const struct buf *haproxy,
	const struct buf *notes, const struct buf *advice)
{
	json_auto_t *o = json_pack("{s:b,s:o,s:o}", "valid", valid, "errors",
		lines_of(haproxy, json_mistake, lines_of(errors, json_mistake, json_array())), "notes",
		lines_of(advice, note_of, lines_of(notes, note_of, json_array())));

	json_object_update(o, more);
	char *text = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
	puts(text ? text : "{}");
	free(text);
}

/* tollgate check: configuration, detectors and policy as serve would load them,
 * and HAProxy's own files against the backends that the configuration lists. What would stop a
 * start, or refuse each request, is a json_mistake; where a policy alone is looked at (--policy),
 * what this machine lacks is a remark. Every json_mistake is a line "file:line:column: message" on
 * stderr; on stdout is what is valid, with remarks that begin with "note: ". Nothing is
 * written, and Redis alone is connected to. */

enum { FILES_MAX = 32, NOTES_BYTES = 1 << 20, REDIS_WAIT_US = 1000000 };

#define UNIT_USER "tollgate" /* of the package's unit */

struct check {
	struct arena a;
	struct diag d;
	const char *config_file; /* NULL: none */
	const struct config *cfg;
	const struct policy *policy; /* NULL: none, or it is wrong */
	const char *named_config, *policy_file;
	const char *haproxy[FILES_MAX];
	size_t nhaproxy;
	const char *as_user; /* --user; NULL: not given */
	const char *haproxy_version, *haproxy_binary;
	struct haproxy h; /* HAProxy's files, where they could be read */
	bool read;
	struct judged judged;
	struct buf why;	   /* of what is looked at now: add_wrong() */
	struct buf unread; /* what of HAProxy's files could not be read */
	struct buf notes;
	const char *no_ranks; /* why tokens are estimated; NULL: they are not */
	bool cannot;	      /* a file that was named cannot be read */
	bool as_json, haproxy_only, probes;
	struct probe probe; /* with --probe */
	bool is_given; /* --policy -: the policy, from standard input */
	json_t *valid; /* with as_json: what is, by name */
};

static void
add_note(void *arg, const char *text)
{
	struct check *c = arg;

	buf_printf(&c->notes, "note: %s\n", text);
}

/* What serve would not start without. */
__attribute__((format(printf, 3, 4))) static void
add_lack(struct check *c, const struct yaml_node *at, const char *fmt, ...)
{
	char why[4096 + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (c->cfg && !c->policy_file)
		diag_at(&c->d, at, "%s: serve will not start without it", why);
	else
		buf_printf(&c->notes, "note: %s:%u:%u: %s: serve will not start without it\n",
			at->file, at->line, at->column, why);
}

/* What c->why says is wrong with an option. */
static void
add_wrong(struct check *c, const struct yaml_node *at, const char *option)
{
	diag_at(&c->d, at, "%s: %.*s", option, SPAN_ARG(buf_view(&c->why)));
	buf_clear(&c->why);
}

static void
put_check_text(const struct buf *text, FILE *to)
{
	fwrite(text->p ? buf_view(text).p : "", 1, text->n, to);
}

/* ---- HAProxy's files ---- */

/* Backends of the configuration that HAProxy's files do not have. It is read once more for the
 * positions; what is wrong in it was said before. */
static void
check_backends(struct check *c, const struct haproxy *h)
{
	SCOPED_DIAG(again);
	const struct yaml_node *root = yaml_load_file(&c->a, c->config_file, &again);
	const struct yaml_node *list = yaml_get(root, "backends");
	for (const struct yaml_node *n = list ? yaml_first(list) : NULL; n;
		n = yaml_next(list, n)) {
		struct nearest near = nearest_to(n->s);
		bool is = n->kind != YAML_SCALAR;
		for (size_t i = 0; i < h->n && !is; i++)
			is = (h->section[i].kind == HAPROXY_BACKEND ||
				     h->section[i].kind == HAPROXY_LISTEN) &&
			     nearest_is(&near, h->section[i].name.p);
		if (!is)
			diag_at(&c->d, n, "backends: HAProxy's files have no backend %s%s",
				n->s.p, nearest_hint(&near));
	}
}

static void
check_haproxy(struct check *c)
{
	struct haproxy *h = &c->h;

	if (c->nhaproxy == 0)
		return;
	haproxy_init(h);
	c->read = true;
	if (c->haproxy_version && !haproxy_set_version(h, span_str(c->haproxy_version))) {
		cmd_fail("--haproxy-version", "%s: no version", c->haproxy_version);
		c->cannot = true;
	} else if (!c->haproxy_version) {
		haproxy_ask_version(h, c->haproxy_binary);
	}
	haproxy_environment(h, "/etc/default/haproxy");
	c->nhaproxy = haproxy_extraopts(h, &c->a, c->haproxy, c->nhaproxy, FILES_MAX);
	for (size_t i = 0; i < c->nhaproxy; i++) {
		int err = haproxy_read(h, c->haproxy[i]);
		if (!err)
			continue;
		cmd_fail(c->haproxy[i], "cannot read: %s",
			err == ERR_IO ? strerror(errno) : "too large, or too many files");
		c->cannot = true;
	}
	haproxy_resolve(h);
	if (!c->cannot) {
		if (c->config_file)
			check_backends(c, h);
		else
			add_note(c, "no tollgate.yaml: sockets, deadlines and backends of "
				    "HAProxy's files were not compared with it");
		for (struct span rest = buf_view(&h->notes); rest.n;) {
			struct span note = span_next(&rest, '\n');
			buf_printf(&c->unread, "advice: %.*s\n", SPAN_ARG(note));
		}
	}
}

/* Whom the policy observes has a key of his own: a backend that adds one would give it to him.
 */
static void
check_observed(struct check *c, const struct observe *o)
{
	const struct haproxy_section *s = o->backend && c->read && !c->cannot
						  ? backend_named(&c->h, span_str(o->backend))
						  : NULL;
	const struct haproxy_line *l = s ? credential_of(s) : NULL,
				  *guard = s ? reach_guard(s) : NULL;

	if (l)
		diag_at(&c->d, o->at,
			"observe: backend %s sets a credential of its own (%s:%u): whoever has "
			"none of yours would be served with it; name one that sets none",
			o->backend, l->file, l->line);
	else if (guard)
		diag_at(&c->d, o->at,
			"observe: backend %s has the guard (%s:%u), which passes only what was "
			"decided: whom the policy observes would get a 503; take the guard out",
			o->backend, guard->file, guard->line);
	else if (o->backend && c->read && !c->cannot && !s)
		diag_at(&c->d, o->at, "observe: HAProxy's files have no backend %s",
			o->backend);
}

/* ---- the policy ---- */

/* Key files that exist are read as serve reads them; one that does not exist yet
 * (tollgate key new makes it) is a remark. */
static void
check_keys(struct check *c, const struct policy *p)
{
	bool missing = false;

	for (size_t i = 0; i < p->nidentities; i++) {
		const struct identity_entry *e = &p->identities[i];
		const char *file = e->kind == ID_JWT ? e->jwks_file : e->keys_file;
		if (!file || access(file, F_OK) == 0)
			continue;
		add_lack(c, e->at, "%s does not exist", file);
		missing = true;
	}
	if (missing)
		return;
	struct identity_keys *keys = identity_keys_load(p, false, NULL, &c->d);
	identity_keys_free(&keys);
}

static void
check_hash_key(struct check *c, const struct policy *p)
{
	unsigned char key[KEYFILE_BYTES];

	if (p->hashes && !c->cfg)
		add_note(c, "with: hash needs redact.key_file in the daemon's tollgate.yaml");
	if (!c->cfg || !c->cfg->redact_key_file)
		return;
	if (keyfile_load(c->cfg->redact_key_file, key, &c->why))
		add_wrong(c, config_at(c->cfg, "redact.key_file"), "redact.key_file");
	explicit_bzero(key, sizeof(key));
}

/* Of another user's file nothing is known. */
static bool
not_ours(const char *file)
{
	return !file || (access(file, R_OK) < 0 && errno == EACCES);
}

static void
check_redis_password(
	struct check *c, const char *file, const struct yaml_node *at, bool sentinel)
{
	struct redis_options options;
	struct redis_login login;

	if (not_ours(file) || config_redis(c->cfg, &options) < 0)
		return;
	if (redis_login(&options, sentinel, &login, &c->why) < 0)
		add_wrong(c, at,
			sentinel ? "redis.sentinel_password_file" : "redis.password_file");
	explicit_bzero(&login, sizeof(login));
	explicit_bzero(&options, sizeof(options));
}

/* As serve reads them; on another machine they may not be there. */
static void
check_credentials(struct check *c)
{
	for (size_t i = 0; i < c->cfg->ncredentials; i++) {
		const struct provider_credential *x = &c->cfg->credentials[i];
		if (!x->file || not_ours(x->file))
			continue;
		if (access(x->file, F_OK) < 0)
			add_lack(c, x->at, "%s does not exist", x->file);
		else
			auth_open(NULL, x, &c->why);
		if (c->why.n)
			add_wrong(c, x->at, "credentials");
	}
}

/* True: there to be read. Said where it is not there at all. */
static bool
file_is_there(struct check *c, const struct yaml_node *at, const char *file)
{
	if (!file || not_ours(file))
		return false;
	if (access(file, F_OK) == 0)
		return true;
	add_lack(c, at, "%s does not exist", file);
	return false;
}

/* Files of anchors, witness and telemetry, as serve reads them. */
static void
check_anchors(struct check *c, const struct config *cfg)
{
	bool all =
		cfg->witness_key && file_is_there(c, config_at(cfg, "witness.key"), cfg->witness_key);

	for (size_t i = 0; i < cfg->nanchors; i++) {
		const struct anchor_place *p = &cfg->anchors[i];
		const char *const files[] = { p->ca, p->tls_ca, p->key };
		bool any = true;
		for (size_t k = 0; k < COUNT_OF(files); k++)
			any &= !files[k] || file_is_there(c, p->at, files[k]);
		if (any && anchors_files(p, &c->why) < 0)
			add_wrong(c, p->at, "anchors");
	}
	if (cfg->otlp.url &&
		(!cfg->otlp.headers_file || file_is_there(c, cfg->otlp.at, cfg->otlp.headers_file)) &&
		(!cfg->otlp.ca || file_is_there(c, cfg->otlp.at, cfg->otlp.ca)) &&
		otlp_files(&cfg->otlp, &c->why) < 0)
		add_wrong(c, cfg->otlp.at, "telemetry.otlp");
	for (size_t i = 0; i < cfg->nwitness_logs; i++)
		all &= cfg->witness_logs[i].key &&
		       file_is_there(c, cfg->witness_logs[i].at, cfg->witness_logs[i].key);
	if (all && witness_files(cfg, &c->why) < 0)
		add_wrong(c, config_at(cfg, "witness.key"), "witness");
}

/* Who texts are sealed to. */
static void
check_auditors(struct check *c, const struct config *cfg)
{
	struct auditor to[AUDITORS_MAX];
	const struct yaml_node *at = NULL;
	size_t n;

	if (seal_auditors(cfg, to, &n, &at, &c->why) < 0)
		add_wrong(c, at, "seal.auditors");
}

/* What serve needs of this machine, and another one that checks the file may lack. */
static void
check_machine(struct check *c, const struct config *cfg)
{
	if (cfg->audit_key && access(cfg->audit_key, F_OK) < 0 && errno == ENOENT)
		add_lack(c, config_at(cfg, "audit.key"),
			"audit.key: %s does not exist (tollgate keygen makes it)",
			cfg->audit_key);
	if (cfg->socket_group && !getgrnam(cfg->socket_group))
		add_lack(c, config_at(cfg, "group"), "group: this machine has no group %s",
			cfg->socket_group);
}

/* What a Redis says of itself, of a cluster its nodes. */
struct redis_seen {
	struct redis_life life; /* its first server's */
	char evicts[32];	/* by which policy it does; "": it does not */
	bool no_vectors;	/* one of its servers has no vector sets */
	struct redis_room room; /* of the server that has this node's stream */
	uint64_t stream;	/* bytes of that */
};

static void
see_redis(const struct check *c, redisContext *redis, bool here, struct redis_seen *seen)
{
	redisReply *rep = redis_ask(redis, "INFO");
	struct span info = rep && rep->type == REDIS_REPLY_STRING ? span_of(rep->str, rep->len)
								  : SPAN_LIT("");
	struct span policy = redis_life_evicts(info);

	if (!seen->life.key[0])
		redis_life_named(&seen->life, info);
	if (policy.n)
		snprintf(seen->evicts, sizeof(seen->evicts), "%.*s", SPAN_ARG(policy));
	redisReply *stream = redis_ask(
		redis, "MEMORY USAGE tollgate:audit:%s SAMPLES 0", c->cfg->node);
	bool has = stream && stream->type == REDIS_REPLY_INTEGER;
	if (has || !seen->room.used)
		redis_room_read(info, here, &seen->room);
	if (has)
		seen->stream = (uint64_t)stream->integer;
	freeReplyObject(stream);
	freeReplyObject(rep);
	/* not known, or not permitted to this user; a node of a cluster knows it that says
	 * where that key is */
	rep = redis_ask(redis, "VCARD tollgate:cache:check");
	seen->no_vectors |= !rep || (rep->type == REDIS_REPLY_ERROR &&
					    strncmp(rep->str, "MOVED ", strlen("MOVED ")) != 0);
	freeReplyObject(rep);
}

/* Whether it answers; why is c->why where it does not. */
static bool
dial_redis(struct check *c, int (*of)(const struct config *, struct redis_options *),
	struct redis_seen *seen)
{
	redisContext *all[REDIS_NODES_MAX];
	struct redis_options options;
	int n = of(c->cfg, &options);

	*seen = (struct redis_seen){ .evicts = "" };
	if (n == 0)
		n = redis_dial_all(&options, REDIS_WAIT_US, all, &c->why);
	for (int i = 0; i < n; i++) {
		see_redis(c, all[i], redis_is_here(&options), seen);
		redisFree(all[i]);
	}
	explicit_bzero(&options, sizeof(options));
	return n > 0;
}

static void
note_redis(struct check *c, const char *option, struct span what)
{
	const struct yaml_node *at = config_at(c->cfg, option);

	buf_printf(&c->notes, "note: %s:%u:%u: %s: %.*s\n", at->file, at->line, at->column,
		option, SPAN_ARG(what));
}

/* What is in use there, once this node's stream and a cache that shares the server are as large
 * as they may get. Counters, pins and the streams of other nodes count as they are now. */
static void
check_redis_room(struct check *c, const struct redis_seen *seen)
{
	buf_clear(&c->why);
	if (redis_room_short(&seen->room, seen->stream,
		    c->cfg->audit_stream ? c->cfg->audit_stream_bytes : 0,
		    config_redis_filled(c->cfg), &c->why))
		note_redis(c, "redis.url", buf_view(&c->why));
}

/* Where limits are counted there and nothing is let through without, each request that one
 * applies to would be refused. One that forgets answers must not be the one that counts. */
static void
check_redis(struct check *c, const struct policy *p)
{
	static const char forgets[] = "it forgets what limits count when it is full "
				      "(maxmemory-policy is not noeviction)";
	bool refuses = p->nlimits && p->on_failure.quota == OUT_DENY;
	struct redis_seen counts = { .evicts = "" }, keeps;

	const char *const secrets[] = { c->cfg->redis_password_file,
		c->cfg->redis_sentinel_password_file, c->cfg->cache_password_file };
	for (size_t i = 0; i < COUNT_OF(secrets); i++)
		if (secrets[i] && not_ours(secrets[i]))
			return;
	bool up = c->cfg->redis_url && dial_redis(c, config_redis, &counts);
	if (c->cfg->redis_url && !up && refuses)
		diag_at(&c->d, config_at(c->cfg, "redis.url"),
			"redis.url: %.*s: each request with a limit would be a 503 "
			"(on_failure.quota: deny)",
			SPAN_ARG(buf_view(&c->why)));
	else if (c->cfg->redis_url && !up)
		note_redis(c, "redis.url", buf_view(&c->why));
	if (counts.evicts[0])
		note_redis(c, "redis.url", span_str(forgets));
	if (up)
		check_redis_room(c, &counts);
	buf_clear(&c->why);
	if (c->cfg->cache_redis && !dial_redis(c, config_cache_redis, &keeps))
		note_redis(c, "cache.redis", buf_view(&c->why));
	else if (c->cfg->cache_redis && keeps.evicts[0] && counts.life.key[0] &&
		 !strcmp(keeps.life.key, counts.life.key))
		diag_at(&c->d, config_at(c->cfg, "cache.redis"),
			"cache.redis: is the server of redis.url, and its maxmemory-policy is "
			"%s: it would evict what limits count",
			keeps.evicts);
	else if (c->cfg->cache_redis && keeps.no_vectors)
		for (size_t i = 0; i < p->nroutes; i++)
			if (p->routes[i].cache.semantic)
				diag_at(&c->d, config_at(c->cfg, "cache.redis"),
					"cache.redis: has no vector sets for this user (VADD: "
					"Redis 8 and later; its ACL: docs/redis.md), which "
					"route "
					"%s needs: cache.semantic",
					p->routes[i].name);
	buf_clear(&c->why);
}

/* What is next to the signing key: the one before it, and what the root stated. */
static void
check_around(struct check *c, const struct config *cfg, const struct pubkey *signs,
	const struct pubkey *root)
{
	struct signkey before = { .pub = { .id = "" } };
	struct key_statement *stated = NULL;
	size_t n;

	if (!not_ours(cfg->audit_previous_key) &&
		signkey_open(cfg->audit_previous_key, cfg->audit_passphrase_file, false,
			&before, &c->why))
		add_wrong(c, config_at(cfg, "audit.key"), "audit.previous_key");
	else if (before.pub.id[0] && !strcmp(before.pub.id, signs->id))
		diag_at(&c->d, config_at(cfg, "audit.key"),
			"audit.previous_key: %s: is the key of audit.key itself: name the one "
			"before it",
			cfg->audit_previous_key);
	signkey_wipe(&before);
	if (root->id[0] && cfg->node && !not_ours(cfg->audit_statements) &&
		audit_keys_stated(cfg, cfg->node, root, &stated, &n, &c->why))
		add_wrong(c, config_at(cfg, "audit.key"), "audit.key_statements");
	free(stated);
}

/* The signing key with its passphrase, and the root, which is another. */
static void
check_signing(struct check *c, const struct config *cfg)
{
	struct signkey key = { .pub = { .id = "" } };
	struct pubkey root = { .id = "" };

	if (cfg->audit_passphrase_file && !not_ours(cfg->audit_key) &&
		!not_ours(cfg->audit_passphrase_file) &&
		signkey_open(cfg->audit_key, cfg->audit_passphrase_file, true, &key, &c->why))
		buf_clear(&c->why); /* check_opens() names what is wrong with it */
	else if (!cfg->audit_passphrase_file && !not_ours(cfg->audit_key) &&
		 signkey_load(cfg->audit_key, &key, &c->why))
		buf_clear(&c->why);
	if (cfg->audit_root && pubkeys_load(cfg->audit_root, &root, 1, &c->why) < 0)
		add_wrong(c, config_at(cfg, "audit.key"), "audit.root");
	else if (cfg->audit_root && !strcmp(root.id, key.pub.id))
		diag_at(&c->d, config_at(cfg, "audit.key"),
			"audit.root: %s: is the signing key itself: a root is another key, "
			"kept offline",
			cfg->audit_root);
	if (cfg->audit_statements && !cfg->audit_root)
		diag_at(&c->d, config_at(cfg, "audit.key"),
			"audit.key_statements: needs audit.root, whose statements they are");
	check_around(c, cfg, &key.pub, &root);
	signkey_wipe(&key);
}

/* The certificate of admin.tls, its key and the clients' authorities, as serve reads them. */
static void
check_admin_tls(struct check *c, const struct config *cfg)
{
	const struct admin_tls *t = &cfg->admin_tls_section;
	int64_t end_s, now_s = clock_wall_ns() / 1000000000;

	if (!cfg->has_admin_tls || not_ours(t->certificate) || not_ours(t->key) ||
		(t->clients && not_ours(t->clients)))
		return;
	end_s = tls_look(t, &c->why);
	if (c->why.n)
		add_wrong(c, t->listen, "admin.tls");
	else if (end_s && end_s <= now_s)
		diag_at(&c->d, t->listen, "admin.tls: %s: it has ended", t->certificate);
	else if (end_s && end_s - now_s < 14 * 86400)
		buf_printf(&c->notes, "note: %s:%u:%u: admin.tls: %s ends in %d days\n",
			t->listen->file, t->listen->line, t->listen->column, t->certificate,
			(int)((end_s - now_s) / 86400));
}

/* Secrets and state: whoever may not read a file sees its mode. */
static void
check_secrets(struct check *c, const struct config *cfg)
{
	const struct {
		const char *file, *option, *what;
		const struct yaml_node *at;
	} files[] = { { cfg->audit_key, "audit.key", "a private key",
			      config_at(cfg, "audit.key") },
		{ cfg->state_key ? cfg->state_file : NULL, "state_file", "state",
			config_at(cfg, "state_file") ? config_at(cfg, "state_file")
						     : config_at(cfg, "state_key") } };
	unsigned char key[KEYFILE_BYTES];
	struct hashkey hash;
	struct stat st;

	for (size_t i = 0; i < COUNT_OF(files); i++)
		if (files[i].file && stat(files[i].file, &st) == 0 &&
			keyfile_wide(files[i].file, st.st_mode, files[i].what, &c->why))
			add_wrong(c, files[i].at, files[i].option);
	if (!not_ours(cfg->state_key) && keyfile_derive(cfg->state_key, "check", key, &c->why))
		add_wrong(c, config_at(cfg, "state_key"), "state_key");
	explicit_bzero(key, sizeof(key));
	if (!not_ours(cfg->audit_hash_key) && hashkey_load(cfg->audit_hash_key, &hash, &c->why))
		add_wrong(c, config_at(cfg, "audit.hash_key"), "audit.hash_key");
	explicit_bzero(&hash, sizeof(hash));
	check_signing(c, cfg);
	if (cfg->redis_url) {
		check_redis_password(c, cfg->redis_password_file,
			config_at(cfg, "redis.password_file"), false);
		check_redis_password(c, cfg->redis_sentinel_password_file,
			config_at(cfg, "redis.sentinel_password_file"), true);
	}
}

/* What the daemon's user needs of a file that an option names: more than to read it. */
static unsigned
rights_of(const char *option)
{
	static const struct {
		const char *option;
		unsigned rights;
	} rows[] = { { "state_file", 06 }, { "witness.state", 06 }, { "audit.journal", 07 } };

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!strcmp(option, rows[i].option))
			return rows[i].rights;
	return 04;
}

static void
check_right(struct check *c, const char *file, unsigned rights)
{
	char fix[CMD_FIX_BYTES];

	if (!file || !cmd_user_cannot(UNIT_USER, file, rights, fix, sizeof(fix)))
		return;
	c->d.errors++;
	buf_printf(&c->d.text, "%s:1:1: the daemon's user tollgate cannot %s this: %s\n", file,
		rights & 02 ? "read and write" : "read", fix);
}

/* Root may read all of it; the unit runs as another user, with the installed configuration.
 * What the policy and the configuration name, what options name, and the journal's files. */
static void
check_rights(struct check *c, const struct config *cfg)
{
	struct span files = buf_view(&c->d.files);
	DIR *dir = cfg->journal ? opendir(cfg->journal) : NULL;
	const struct dirent *entry;
	char path[4096];

	if (strcmp(c->config_file, config_installed) == 0) {
		check_right(c, c->config_file, 04);
		while (files.n)
			check_right(c, span_next(&files, '\0').p, 04);
		for (size_t i = 0; i < config_option_count; i++) {
			const struct field *o = &config_options[i];
			if (o->kind == FIELD_FILE)
				check_right(c, *(char *const *)((const char *)cfg + o->place),
					rights_of(o->key));
		}
		while (dir && (entry = readdir(dir)))
			if (entry->d_name[0] != '.' &&
				(size_t)snprintf(path, sizeof(path), "%s/%s", cfg->journal,
					entry->d_name) < sizeof(path))
				check_right(c, path, 04);
	}
	if (dir)
		closedir(dir);
}

/* Before 0.3 a saved policy came into force by itself. A journal without texts of policies is one that
 * no later version has written to. */
static void
note_policy_watch(struct check *c, const struct config *cfg)
{
	struct journal_list l;

	if (!cfg->journal || config_at(cfg, "policy_watch") || kept_policy_any(cfg->journal))
		return;
	SCOPED_BUF(why, 4096);
	if (journal_list_all(cfg->journal, NULL, false, &l, &why) == 0 && l.n)
		buf_printf(&c->notes,
			"note: %s: policy_watch is not set: from version 0.3 on, a saved policy "
			"comes into force only by `tollgate policy apply` or `tollgate reload`; "
			"`policy_watch: true` keeps the behavior of earlier versions\n",
			cfg->file);
	journal_list_free(&l);
}

/* A start that would be refused, maybe months later. */
static void
check_journal(struct check *c, const struct config *cfg)
{
	if (cfg->journal && config_at(cfg, "audit.journal") &&
		journal_has_stranger(cfg->journal, cfg->node, &c->why))
		add_wrong(c, config_at(cfg, "audit.journal"), "audit.journal");
	if (keep_wrong(cfg))
		diag_at(&c->d, config_at(cfg, "retention.archive"), "retention.archive: %s",
			keep_wrong(cfg));
}

/* ---- what a start opens ---- */

/* A folder that systemd makes when it starts the unit (RuntimeDirectory=, StateDirectory=). */
static bool
unit_makes(const struct check *c, struct span why)
{
	const char *missing = strerror(ENOENT);

	if (!memmem(why.p, why.n, missing, strlen(missing)))
		return false;
	return memmem(why.p, why.n, ": /run/", 7) ||
	       (!strcmp(c->config_file, config_installed) &&
		       span_starts(why, SPAN_LIT("/var/lib/")));
}

/* Reported once: other checks look at some of these files too. Of another user's files an
 * ordinary user knows nothing. */
static void
add_open(void *arg, const char *option, struct span why)
{
	struct check *c = arg;
	const char *denied = strerror(EACCES);
	const struct passwd *unit = getpwnam(UNIT_USER);
	const struct yaml_node *at = config_at(c->cfg, option);
	bool knows = c->as_user || geteuid() == 0 || (unit && unit->pw_uid == geteuid());

	if ((!knows && memmem(why.p, why.n, denied, strlen(denied))) || unit_makes(c, why) ||
		memmem(buf_view(&c->d.text).p, c->d.text.n, why.p, why.n))
		return;
	buf_span(&c->why, why);
	add_wrong(c, at ? at : config_at(c->cfg, "audit.key"), option);
}

static void
print_open(void *arg, const char *option, struct span why)
{
	dprintf(*(const int *)arg, "%s\t%.*s\n", option, SPAN_ARG(why));
}

/* In a child that runs as this user, which writes a line for each part that is refused. */
static int
try_as(const struct config *cfg, const struct passwd *user, int fd)
{
	if (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
		setuid(user->pw_uid) < 0)
		return EXIT_CANNOT;
	opens_try(cfg, print_open, &fd);
	return EXIT_DONE;
}

/* Root may open all of it, but the unit runs as another user. */
static void
check_opens_as(struct check *c, const struct passwd *user)
{
	int ends[2], status = -1;
	pid_t child = pipe(ends) < 0 ? -1 : fork();

	if (child == 0)
		_exit(try_as(c->cfg, user, ends[1]));
	if (child < 0) {
		cmd_fail("check", "no process to try as %s: %s", user->pw_name,
			strerror(errno));
		c->cannot = true;
		return;
	}
	close(ends[1]);
	SCOPED_BUF(all, 1 << 16);
	buf_fd(&all, ends[0]);
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0) {
		cmd_fail("check", "cannot try as user %s", user->pw_name);
		c->cannot = true;
	}
	for (struct span rest = buf_view(&all); rest.n;) {
		struct span line = span_next(&rest, '\n');
		size_t tab = span_chr(line, '\t');
		char option[64];
		snprintf(option, sizeof(option), "%.*s", (int)tab, line.p);
		add_open(c, option, span_cut(line, tab + 1, line.n));
	}
}

/* As serve opens it: with --user as that user; for root and the installed configuration as the
 * unit's user. */
static void
check_opens(struct check *c)
{
	const char *name = c->as_user;

	if (!name && !geteuid() && !strcmp(c->config_file, config_installed))
		name = UNIT_USER;
	const struct passwd *user = name ? getpwnam(name) : NULL;
	if (c->as_user && !user) {
		cmd_fail("check", "--user %s: this machine has no such user", c->as_user);
		c->cannot = true;
	} else if (user && user->pw_uid != geteuid()) {
		check_opens_as(c, user);
	} else {
		opens_try(c->cfg, add_open, c);
	}
}

static void
add_lines(struct diag *d, struct span text)
{
	buf_span(&d->text, text);
	for (size_t i = 0; i < text.n; i++)
		d->errors += text.p[i] == '\n';
	if (text.n && text.p[text.n - 1] != '\n') {
		buf_putc(&d->text, '\n');
		d->errors++;
	}
}

/* The policy, the shadow policy, and what both read on this machine. */
static void
check_policy(struct check *c)
{
	const char *file = c->policy_file ? c->policy_file : c->cfg ? c->cfg->policy : NULL;

	if (!file)
		return; /* the configuration's mistakes include it */
	SCOPED_BUF(errors, 1 << 20);
	struct detect_rules *rules = NULL;
	const struct policy *p = c->policy = policy_open(
		&c->a, file, c->cfg, c->cfg ? c->cfg->detectors : NULL, &rules, &c->d);
	if (rules && detect_self_test(rules, &errors) && errors.n == 0)
		buf_str(&errors, "detectors: an example of the rules fails");
	add_lines(&c->d, buf_view(&errors));
	if (p)
		check_keys(c, p);
	if (c->cfg && !c->is_given) {
		check_machine(c, c->cfg);
		check_secrets(c, c->cfg);
		check_credentials(c);
		check_anchors(c, c->cfg);
		check_auditors(c, c->cfg);
		check_admin_tls(c, c->cfg);
		check_rights(c, c->cfg);
		check_journal(c, c->cfg);
		note_policy_watch(c, c->cfg);
		if (!c->policy_file)
			check_opens(c);
	}
	if (p && c->cfg && !c->policy_file)
		check_redis(c, p);
	if (p) {
		check_hash_key(c, p);
		check_observed(c, &p->observe);
	}
	const struct policy *shadow = NULL;
	if (rules && !c->policy_file && c->cfg && c->cfg->shadow_policy)
		shadow = policy_load(&c->a, c->cfg->shadow_policy, c->cfg, rules, &c->d);
	if (shadow && c->d.errors == 0 && !c->as_json)
		printf("shadow_policy %s: valid\n", shadow->label);
	if (p && c->d.errors == 0 && !c->cannot && c->as_json) {
		c->valid = json_pack("{s:s,s:s,s:I,s:I,s:I}", "policy", p->label, "version",
			p->version, "routes", (json_int_t)p->nroutes, "rules",
			(json_int_t)p->nall_rules, "limits", (json_int_t)p->nlimits);
		policy_notes(p, c->cfg, rules, add_note, c);
	} else if (p && c->d.errors == 0 && !c->cannot) {
		printf("policy %s: valid; %zu route%s, %zu rule%s, %zu limit%s\n", p->label,
			p->nroutes, p->nroutes == 1 ? "" : "s", p->nall_rules,
			p->nall_rules == 1 ? "" : "s", p->nlimits, p->nlimits == 1 ? "" : "s");
		policy_notes(p, c->cfg, rules, add_note, c);
		if (c->no_ranks && p->counts_tokens)
			buf_printf(&c->notes,
				"note: tokens are estimated, not counted: %s (docs/budgets.md: "
				"make "
				"ranks)\n",
				c->no_ranks);
		put_check_text(&c->notes, stdout);
	}
	detect_free(&rules);
}

/* What answers on each host, once the files were read. */
static void
check_probe(struct check *c)
{
	probe_init(&c->probe);
	if (!c->cfg || !c->policy || !c->read || c->cannot) {
		cmd_fail("check", "--probe: nothing was sent: correct what is wrong first");
		c->cannot = true;
		return;
	}
	c->probe.h = &c->h;
	c->probe.cfg = c->cfg;
	c->probe.policy = c->policy;
	if (probe_run(&c->probe) < 0)
		c->cannot = true;
}

int
cmd_check(int argc, char **argv)
{
	struct check c = { 0 };
	const struct cmd_option options[] = {
		{ "c", .text = &c.named_config },
		{ "policy", .text = &c.policy_file },
		{ "haproxy", .text = c.haproxy, .count = &c.nhaproxy, .most = FILES_MAX },
		{ "haproxy-version", .text = &c.haproxy_version },
		{ "haproxy-binary", .text = &c.haproxy_binary },
		{ "user", .text = &c.as_user },
		{ "haproxy-only", .flag = &c.haproxy_only },
		{ "probe", .flag = &c.probes },
		{ "host", .text = c.probe.host, .count = &c.probe.nhost,
			.most = REACH_HOSTS_MAX },
		{ "json", .flag = &c.as_json },
		{ .name = NULL },
	};
	char **operands;
	int code;

	int n = cmd_options(argv[0], argc, argv, options, &operands);
	if (n < 0 || ((n > 0 || c.haproxy_only || c.probes) && c.nhaproxy == 0) ||
		(c.probes && c.haproxy_only) || (c.probe.nhost && !c.probes))
		return cmd_usage(argv[0]);
	for (int i = 0; i < n; i++) { /* check --haproxy FILE FILE */
		if (c.nhaproxy == FILES_MAX)
			return cmd_usage(argv[0]);
		c.haproxy[c.nhaproxy++] = operands[i];
	}
	c.config_file = config_find(c.named_config);
	if (!c.config_file && (c.named_config || (!c.policy_file && !c.haproxy_only)))
		return cmd_no_config("check", c.named_config,
			c.nhaproxy ? ", or say --haproxy-only" : ", or a policy with --policy");
	if (c.haproxy_only)
		c.config_file = NULL;
	c.is_given = c.policy_file && !strcmp(c.policy_file, "-");
	if (c.is_given && !(c.policy_file = given_policy_stdin("check", c.config_file)))
		return EXIT_CANNOT;
	if (c.policy_file && access(c.policy_file, R_OK) != 0)
		return cmd_fail("check", "%s: %s", c.policy_file, strerror(errno));

	arena_init(&c.a, 0, false);
	diag_init(&c.d);
	buf_init(&c.why, 8192);
	buf_init(&c.unread, NOTES_BYTES);
	buf_init(&c.notes, NOTES_BYTES);
	if (c.config_file)
		c.cfg = config_read(&c.a, c.config_file, &c.d);
	if (c.cfg) {
		const struct token_models *models;
		struct encodings *e;
		tokens_load(&c.a, c.cfg, &models, &e, &c.no_ranks, &c.d);
		encodings_close(&e);
	}
	check_haproxy(&c);
	check_policy(&c);
	if (c.read && !c.cannot)
		judge(&c.h, c.cfg, c.policy, &c.judged);
	diag_sort(&c.d);
	if (c.probes)
		check_probe(&c);
	code = c.cannot						   ? EXIT_CANNOT
	       : c.d.errors || c.judged.nerrors || c.probe.nwrong ? EXIT_NO
								   : EXIT_DONE;
	if (c.as_json) {
		buf_span(&c.d.text, buf_view(&c.probe.wrong));
		buf_span(&c.notes, buf_view(&c.probe.said));
		check_print_json(code == EXIT_DONE, c.valid, &c.d.text, &c.judged.errors,
			&c.notes, &c.judged.advice);
	} else {
		put_check_text(&c.d.text, stderr);
		put_check_text(&c.judged.errors, stderr);
		put_check_text(&c.judged.advice, stdout);
		put_check_text(&c.unread, stdout);
		put_check_text(&c.probe.said, stdout);
		put_check_text(&c.probe.wrong, stderr);
	}
	if (buf_failed(&c.judged.errors) || buf_failed(&c.judged.advice))
		fprintf(stderr, "tollgate: check: %u errors, %u remarks: not all are shown\n",
			c.judged.nerrors, c.judged.nadvice);
	json_decref(c.valid);
	probe_free(&c.probe);
	buf_free(&c.notes);
	buf_free(&c.unread);
	buf_free(&c.why);
	judged_free(&c.judged);
	if (c.read)
		haproxy_free(&c.h);
	diag_free(&c.d);
	arena_reset(&c.a);
	return code;
}
