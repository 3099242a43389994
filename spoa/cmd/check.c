/* `tollgate check` validates the configuration, the detectors and the policy as serve would
 * load them, and HAProxy's files against the backends that the configuration lists.
 *
 * A fault that would stop a start, or make the daemon refuse every request, is a mistake. With
 * --policy only the policy is checked, and something that this machine lacks is a note
 * instead. Each mistake is printed to stderr as "file:line:column: message". Standard output
 * names what is valid, with notes that begin with "note: ". --json prints both as one object.
 *
 * The command writes no file. It connects to Redis only, unless --probe also sends requests
 * through HAProxy. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
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
#include "base/scoped.h"
#include "base/span.h"
#include "cmd/cmd.h"
#include "cmd/given.h"
#include "cmd/probe.h"
#include "cmd/probe_recognizers.h"
#include "cmd/probe_transcribers.h"
#include "cmd/recent_records.h"
#include "cmd/used_tools.h"
#include "gate/auth/auth.h"
#include "gate/first_policy.h"
#include "gate/snapshot.h"
#include "operator/admin/tls.h"
#include "operator/edge/judge.h"
#include "operator/edge/lay.h"
#include "operator/edge/reach.h"
#include "operator/edited/edited.h"
#include "operator/server/opens.h"
#include "operator/telemetry/otlp.h"
#include "policy/advice/keys.h"
#include "policy/advice/notes.h"
#include "policy/config/models.h"
#include "policy/config/options.h"
#include "policy/config/read.h"
#include "policy/identity/apikeys.h"
#include "policy/identity/identity.h"
#include "policy/identity_entry.h"
#include "policy/on_failure.h"
#include "policy/own.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "record/anchors/anchors.h"
#include "record/anchors/witness.h"
#include "record/archive/keep.h"
#include "record/archive/kept_policy.h"
#include "record/audit/keys.h"
#include "record/journal/recover.h"
#include "record/journal/signkey.h"
#include "record/seal/store.h"
#include "scan/detect/detect.h"

/* Converts a mistake such as "file:line:column: message" to a JSON object. The column, or
 * the line and the column, may be missing; the object then lacks them. */
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

enum { FILES_MAX = 32, NOTES_BYTES = 1 << 20, REDIS_WAIT_US = 1000000 };

#define UNIT_USER "tollgate" /* the user of the packaged systemd unit */

/* The state of one run of check. It lives on the stack of cmd_check(). */
struct check {
	struct arena a;
	struct diag d;
	const char *config_file; /* NULL: no configuration file was found */
	const struct config *cfg;
	const struct policy *policy; /* NULL: no policy, or it has mistakes */
	const char *named_config, *policy_file;
	const char *haproxy[FILES_MAX];
	size_t nhaproxy;
	const char *as_user; /* the user of --user; NULL: not given */
	const char *haproxy_version, *haproxy_binary;
	struct haproxy h; /* HAProxy's files, as far as they could be read */
	bool read;
	struct judged judged;
	struct buf why;	   /* why the current check failed; add_wrong() reports and clears it */
	struct buf unread; /* advice about parts of HAProxy's files that could not be
			    * interpreted */
	struct buf start;  /* the note about the policy of the next start */
	struct buf notes;
	const char *no_ranks; /* why tokens are estimated instead of counted; NULL: they are
			       * counted */
	bool cannot;	      /* a file that the command line names cannot be read */
	bool as_json, haproxy_only, probes;
	struct probe probe; /* the result of --probe */
	struct detect_rules *rules; /* those of `policy`; NULL: none could be read */
	bool is_given; /* --policy -: the policy was read from standard input */
	json_t *valid; /* --json: facts about a valid policy, by name; otherwise NULL */
};

static void
add_note(void *arg, const char *text)
{
	struct check *c = arg;

	buf_printf(&c->notes, "note: %s\n", text);
}

/* Reports something that serve needs and this machine lacks: as a mistake, or with --policy
 * as a note. */
__attribute__((format(printf, 3, 4))) static void
add_lack(struct check *c, const struct yaml_node *at, const char *fmt, ...)
{
	char why[4096 + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (c->cfg && !c->policy_file)
		diag_at(&c->d, at, "%s: tollgate serve does not start without it", why);
	else
		buf_printf(&c->notes, "note: %s:%u:%u: %s: tollgate serve does not start "
				      "without it\n",
			at->file, at->line, at->column, why);
}

/* Reports the error in c->why as a mistake of the option, and clears c->why. */
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

/* Reports backends of the configuration that HAProxy's files do not define. The file is
 * parsed again because `struct config` has no positions of its list items. Its errors were
 * reported by the first parse and are ignored. */
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
			err == ERR_IO ? strerror(errno) : "the file is too large, or there "
							  "are too many files");
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

/* Checks the backend that gets the requests of observed callers. They use a key of their
 * own provider account, so a backend that adds a credential of the operator would
 * give that credential to them. */
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
			"observe: backend %s sets a credential of its own (%s:%u): callers "
			"without a key of yours would use that credential; name a backend "
			"that sets none",
			o->backend, l->file, l->line);
	else if (guard)
		diag_at(&c->d, o->at,
			"observe: backend %s has the guard (%s:%u), which lets only decided "
			"requests pass: observed callers would get a 503; remove the guard "
			"from this backend",
			o->backend, guard->file, guard->line);
	else if (o->backend && c->read && !c->cannot && !s)
		diag_at(&c->d, o->at, "observe: HAProxy's files have no backend %s: name "
				      "one of them",
			o->backend);
	for (size_t i = 0; o->backend && c->read && !c->cannot && i < o->nhosts; i++)
		if (!lay_some_gate_has(&c->h, span_str(o->hosts[i])))
			add_note(c, arena_printf(&c->a,
					    "observe: requests of %s do not pass the gate, so they "
					    "are neither observed nor recorded: add the host with "
					    "`tollgate init --host %s --write`",
					    o->hosts[i], o->hosts[i])
					    .p);
}

/* ---- the policy ---- */

enum { RIGHTS_NOTES = 20 };

/* Notes scopes and models of the file's valid keys that the policy does not have. */
static void
note_rights_in_file(struct check *c, const struct policy *p, const char *file, size_t *n)
{
	SCOPED_DIAG(again); /* errors were reported when the identity's keys were loaded */
	struct apikeys *keys = apikeys_load(file, &again);
	int64_t now = clock_wall_ns();
	SCOPED_BUF(why, 1024);

	for (size_t i = 0; keys && i < keys->n; i++) {
		const struct apikey *k = &keys->keys[i];
		size_t all = apikey_live(k, now) ? k->nscopes + k->nmodels : 0;
		for (size_t v = 0; v < all; v++) {
			bool scope = v < k->nscopes;
			buf_clear(&why);
			if (scope ? policy_key_scope(p, span_str(k->scopes[v]), &why)
				  : policy_key_model(
					    p, span_str(k->models[v - k->nscopes]), &why))
				continue;
			if ((*n)++ < RIGHTS_NOTES)
				buf_printf(&c->notes, "note: %s: key %s of %s: %s: %.*s\n", file,
					k->id, k->person, scope ? "scopes" : "models",
					SPAN_ARG(buf_view(&why)));
		}
	}
	apikeys_free(&keys);
}

/* Notes what the policy does not have of the keys in all files: such a key is refused on every
 * route of its scopes. */
static void
note_key_rights(struct check *c, const struct policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nidentities; i++) {
		const char *file = p->identities[i].keys_file;
		bool again = p->identities[i].kind != ID_API_KEY;
		for (size_t k = 0; k < i; k++)
			again = again || (p->identities[k].kind == ID_API_KEY &&
						 !strcmp(p->identities[k].keys_file, file));
		if (!again)
			note_rights_in_file(c, p, file, &n);
	}
	if (n > RIGHTS_NOTES)
		buf_printf(&c->notes, "note: %zu more scopes and models of keys are not in the "
				      "policy\n",
			n - RIGHTS_NOTES);
}

/* Loads the key files as serve does. A file that does not exist yet is reported by
 * add_lack(), because `tollgate key new` creates it. */
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
	if (keys)
		note_key_rights(c, p);
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

/* Returns true if the file may exist but this user cannot read it, so that nothing can be
 * checked. */
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

/* Loads the credential files as serve does. A missing file is reported by add_lack(). */
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

/* Returns true if the file can be read. Reports a file that does not exist. */
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

/* Loads the files of anchors, witnesses and telemetry as serve does. */
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

/* Checks the auditors' public keys, to which texts are sealed. */
static void
check_auditors(struct check *c, const struct config *cfg)
{
	struct auditor to[AUDITORS_MAX];
	const struct yaml_node *at = NULL;
	size_t n;

	if (seal_auditors(cfg, to, &n, &at, &c->why) < 0)
		add_wrong(c, at, "seal.auditors");
}

/* Checks what serve needs on this machine: the signing key and the group of the socket. */
static void
check_machine(struct check *c, const struct config *cfg)
{
	if (cfg->audit_key && access(cfg->audit_key, F_OK) < 0 && errno == ENOENT)
		add_lack(c, config_at(cfg, "audit.key"),
			"audit.key: %s does not exist (tollgate keygen makes it)",
			cfg->audit_key);
	if (cfg->socket_group && !getgrnam(cfg->socket_group))
		add_lack(c, config_at(cfg, "group"), "group: this machine has no group %s: "
						     "create it with groupadd",
			cfg->socket_group);
}

/* Facts that one Redis server, or the nodes of one cluster, report about themselves. */
struct redis_seen {
	struct redis_life life; /* epoch of the first server that reports one */
	char evicts[32];	/* the maxmemory-policy if keys may be evicted; "": no eviction */
	bool no_vectors;	/* a server has no vector sets, or the user may not use them */
	struct redis_room room; /* memory of the server that holds this node's stream */
	uint64_t stream;	/* bytes of that stream */
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
	/* An unknown command and a missing permission are both errors. MOVED proves that a
	 * cluster's node knows the command: the key is only on another node. */
	rep = redis_ask(redis, "VCARD tollgate:cache:check");
	seen->no_vectors |= !rep || (rep->type == REDIS_REPLY_ERROR &&
					    strncmp(rep->str, "MOVED ", strlen("MOVED ")) != 0);
	freeReplyObject(rep);
}

/* Connects to the servers that of() returns, and reads what they report. Returns false with
 * a message in c->why if no server responds. */
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

/* Notes if Redis may run out of memory once this node's stream, and a cache on the same
 * server, have grown to their limits. Counters, pins and other nodes' streams are counted
 * with their current size. */
static void
check_redis_room(struct check *c, const struct redis_seen *seen)
{
	buf_clear(&c->why);
	if (redis_room_short(&seen->room, seen->stream,
		    c->cfg->audit_stream ? c->cfg->audit_stream_bytes : 0,
		    config_redis_filled(c->cfg), &c->why))
		note_redis(c, "redis.url", buf_view(&c->why));
}

/* Checks the Redis servers of limits and cache. If limits need Redis and `on_failure.quota`
 * is deny, an unreachable Redis is a mistake, since every request with a limit would get
 * 503. A cache that evicts keys must not share the server that counts limits. */
static void
check_redis(struct check *c, const struct policy *p)
{
	static const char forgets[] = "a full Redis would evict the counters of limits: "
				      "set maxmemory-policy to noeviction";
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
			"redis.url: %.*s: start Redis or correct the option; until then "
			"every request with a limit gets 503 (on_failure.quota: deny)",
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
			"cache.redis: is the same server as redis.url, and its "
			"maxmemory-policy is %s: a full server would evict the counters of "
			"limits; use a second server for the cache",
			keeps.evicts);
	else if (c->cfg->cache_redis && keeps.no_vectors)
		for (size_t i = 0; i < p->nroutes; i++)
			if (p->routes[i].cache.semantic)
				diag_at(&c->d, config_at(c->cfg, "cache.redis"),
					"cache.redis: route %s has cache.semantic, which "
					"needs vector sets (VADD), and this user of the "
					"server has none: use Redis 8 or later, and permit "
					"the commands (docs/redis.md)",
					p->routes[i].name);
	buf_clear(&c->why);
}

/* Checks the files that belong to the signing key: the previous key, and the statements of
 * the offline root. */
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
			"audit.previous_key: %s: is the same key as audit.key: name the "
			"key that was used before",
			cfg->audit_previous_key);
	signkey_wipe(&before);
	if (root->id[0] && cfg->node && !not_ours(cfg->audit_statements) &&
		audit_keys_stated(cfg, cfg->node, root, &stated, &n, &c->why))
		add_wrong(c, config_at(cfg, "audit.key"), "audit.key_statements");
	free(stated);
}

/* Loads the signing key with its passphrase, and checks that the root is a different key. */
static void
check_signing(struct check *c, const struct config *cfg)
{
	struct signkey key = { .pub = { .id = "" } };
	struct pubkey root = { .id = "" };

	if (cfg->audit_passphrase_file && !not_ours(cfg->audit_key) &&
		!not_ours(cfg->audit_passphrase_file) &&
		signkey_open(cfg->audit_key, cfg->audit_passphrase_file, true, &key, &c->why))
		buf_clear(&c->why); /* check_opens() reports what is wrong with this file */
	else if (!cfg->audit_passphrase_file && !not_ours(cfg->audit_key) &&
		 signkey_load(cfg->audit_key, &key, &c->why))
		buf_clear(&c->why);
	if (cfg->audit_root && pubkeys_load(cfg->audit_root, &root, 1, &c->why) < 0)
		add_wrong(c, config_at(cfg, "audit.key"), "audit.root");
	else if (cfg->audit_root && !strcmp(root.id, key.pub.id))
		diag_at(&c->d, config_at(cfg, "audit.key"),
			"audit.root: %s: is the same key as audit.key: make a separate "
			"root with tollgate keygen --root and keep it offline",
			cfg->audit_root);
	if (cfg->audit_statements && !cfg->audit_root)
		diag_at(&c->d, config_at(cfg, "audit.key"),
			"audit.key_statements: needs audit.root, the public key that "
			"signed the statements");
	check_around(c, cfg, &key.pub, &root);
	signkey_wipe(&key);
}

/* Checks the certificate of admin.tls, its key and the clients' authorities as serve does.
 * Notes a certificate that ends within 14 days. */
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
		diag_at(&c->d, t->listen, "admin.tls: %s: the certificate has expired: "
					  "replace it", t->certificate);
	else if (end_s && end_s - now_s < 14 * 86400)
		buf_printf(&c->notes, "note: %s:%u:%u: admin.tls: %s expires in %d days: "
				      "replace it\n",
			t->listen->file, t->listen->line, t->listen->column, t->certificate,
			(int)((end_s - now_s) / 86400));
}

/* Checks secrets and the state file. The mode of a file can be checked even if this user
 * may not read the file. */
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

/* Returns the rights that the daemon's user needs to the file of an option: 04 to read, 06
 * to read and write, 07 for a folder. */
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

/* Checks that the user of the packaged unit can read every file, because root, who runs
 * this command, can read all of them. This applies to the installed configuration alone.
 * The files are those that the policy, the configuration and its options name, and those of
 * the journal. */
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

/* Versions before 0.3 applied a saved policy by themselves. This function notes the change
 * if the journal holds no policy texts, which every later version writes. */
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

static void
note_taken_policy(struct check *c, const struct config *cfg, const char *label, struct span what)
{
	buf_printf(&c->start,
		"note: %s: the next start takes the policy that was in force, %s%s%.*s\n",
		cfg->file, label, what.n ? ", not the files: " : "; the files are the same",
		SPAN_ARG(what));
	if (what.n)
		buf_str(&c->start, "note: to put the files in force, run `tollgate policy "
				   "apply --why TEXT`\n");
}

/* Returns true if the kept text equals the files, in which this command found no mistake. The next
 * start takes the kept text then, and need not be tried. */
static bool
is_kept_as_saved(const struct check *c, const struct config *cfg)
{
	const struct kept_places places = kept_places_of(cfg);
	struct kept_policy kept;

	if (!c->policy || c->d.errors > 0 || cfg->shadow_policy || cfg->policy_watch)
		return false;
	SCOPED_BUF(why, 4096);
	SCOPED_BUF(what, 4096);
	bool same = kept_policy_last(&places, &kept, &why) == 0 &&
		    str_same(kept.root, cfg->policy) &&
		    str_same(kept.detectors, cfg->detectors);
	if (same)
		edited_differences(&kept.files, cfg->policy, NULL, &what);
	kept_policy_free(&kept);
	return same && what.n == 0;
}

/* States which policy the next start takes: the one that was in force, or the files. */
static void
note_next_start(struct check *c, const struct config *cfg)
{
	struct first_policy f;
	struct file_set read;

	if (!cfg->journal || !cfg->policy)
		return;
	if (is_kept_as_saved(c, cfg)) {
		note_taken_policy(c, cfg, c->policy->label, (struct span){ NULL, 0 });
		return;
	}
	first_policy_init(&f);
	file_set_init(&read);
	SCOPED_DIAG(unused); /* check_policy() reports the mistakes */
	SCOPED_BUF(what, 4096);
	struct snapshot *snap = first_policy_load(c->config_file, 1, NULL, &f, &read, &unused);
	if (snap && f.kept) {
		edited_differences(&read, cfg->policy, cfg->shadow_policy, &what);
		note_taken_policy(c, cfg, snap->policy->label, buf_view(&what));
	} else if (snap && f.why.n) {
		buf_printf(&c->start, "note: %s: the next start takes the files: %.*s\n",
			cfg->file, SPAN_ARG(buf_view(&f.why)));
	}
	snapshot_unref(&snap);
	file_set_free(&read);
	first_policy_free(&f);
}

/* ---- headers that external providers do not receive ---- */

enum { UNSENT_NAMES = 256 /* pairs of a provider and a header; more are not listed */ };

struct unsent {
	struct {
		char provider[65], header[65];
		uint64_t requests;
		bool listed;
	} row[UNSENT_NAMES];
	size_t n;
};

/* Returns true if the policy in the files sends the header to that provider now. */
static bool
is_sent_now(const struct policy *p, const char *provider, const char *header)
{
	for (size_t i = 0; i < p->nroutes; i++)
		for (size_t k = 0; k < p->routes[i].ntargets; k++) {
			const struct target *t = &p->routes[i].targets[k];
			if (strcmp(t->known, provider))
				continue;
			for (size_t h = 0; h < t->nheaders; h++)
				if (!strcasecmp(t->headers[h], header))
					return true;
			if (t->all_headers)
				return true;
		}
	return false;
}

/* Adds the names in a record's `unsent_headers`. */
static void
unsent_add(void *arg, struct span line)
{
	struct unsent *u = arg;
	struct span mark = SPAN_LIT("\"unsent_headers\":[");
	json_t *o = memmem(line.p, line.n, mark.p, mark.n) ? json_loadb(line.p, line.n, 0, NULL)
							   : NULL,
	       *name;
	const char *to = json_string_value(json_object_get(o, "target"));
	size_t k, i;

	json_array_foreach(json_object_get(o, "unsent_headers"), k, name)
	{
		const char *header = json_string_value(name);
		if (!header || strlen(header) >= sizeof(u->row->header) ||
			(to && strlen(to) >= sizeof(u->row->provider)))
			continue;
		for (i = 0; i < u->n; i++)
			if (!strcmp(u->row[i].provider, to ? to : "") &&
				!strcasecmp(u->row[i].header, header))
				break;
		if (i == UNSENT_NAMES)
			continue;
		strcpy(u->row[i].header, header);
		strcpy(u->row[i].provider, to ? to : "");
		u->row[i].requests++;
		u->n += i == u->n;
	}
	json_decref(o);
}

/* Notes the headers that one provider did not receive, and marks their rows. */
static void
note_unsent_of(struct check *c, const struct policy *p, const struct config *cfg,
	struct unsent *u, const char *provider)
{
	size_t listed = 0;

	for (size_t i = 0; i < u->n; i++) {
		if (strcmp(u->row[i].provider, provider))
			continue;
		u->row[i].listed = true;
		if (is_sent_now(p, provider, u->row[i].header))
			continue;
		if (!listed++)
			buf_printf(&c->notes,
				"note: %s: %s%s is external and did not receive these headers "
				"of recent requests: ",
				cfg->policy,
				*provider ? "provider " : "a backend without a name", provider);
		buf_printf(&c->notes, "%s%s (%" PRIu64 ")", listed > 1 ? ", " : "",
			u->row[i].header, u->row[i].requests);
	}
	if (listed)
		buf_str(&c->notes,
			". If its API needs one, list it in the provider's `headers`\n");
}

/* Lists the headers of recent requests that an external provider did not receive. Records of
 * versions before 0.3 have no names of headers. */
static void
note_unsent(struct check *c, const struct policy *p, const struct config *cfg)
{
	struct unsent u = { .n = 0 };

	if (!cfg->journal)
		return;
	size_t segments = recent_records(cfg->journal, unsent_add, &u);
	if (segments && !kept_policy_any(cfg->journal))
		buf_printf(&c->notes,
			"note: %s: from version 0.3 on, external providers receive only the "
			"headers that their APIs and SDKs need (docs/haproxy.md). The records of "
			"earlier versions have no names of headers: if callers send others that a "
			"provider needs, list them in the provider's `headers`\n",
			cfg->file);
	for (size_t i = 0; i < u.n; i++)
		if (!u.row[i].listed)
			note_unsent_of(c, p, cfg, &u, u.row[i].provider);
}

/* Checks conditions of the journal that would stop a start, perhaps only months later. */
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

/* Returns true if the missing folder is one that systemd creates when it starts the unit
 * (RuntimeDirectory=, StateDirectory=). */
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

/* Collects the errors of opens(). An error that another check already reported is skipped,
 * and so is a file that an ordinary user may not read. */
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

/* Runs in a child process as this user. Writes a line to `fd` for each part that cannot be
 * opened. */
static int
try_as(const struct config *cfg, const struct passwd *user, int fd)
{
	if (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
		setuid(user->pw_uid) < 0)
		return EXIT_CANNOT;
	opens_try(cfg, print_open, &fd);
	return EXIT_DONE;
}

/* Opens everything as the unit's user, because root, who runs this command, may open all
 * files. */
static void
check_opens_as(struct check *c, const struct passwd *user)
{
	int ends[2], status = -1;
	pid_t child = pipe(ends) < 0 ? -1 : fork();

	if (child == 0)
		_exit(try_as(c->cfg, user, ends[1]));
	if (child < 0) {
		cmd_fail("check", "cannot start a process as user %s: %s", user->pw_name,
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
		cmd_fail("check", "cannot become user %s: run check as root", user->pw_name);
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

/* Opens what serve opens. With --user, and for root with the installed configuration, a
 * child process opens it as that user. */
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

/* Notes the tools of recent records that the policy's `tools` does not name. */
static void
note_used_tools(struct check *c, const struct policy *p)
{
	if (c->cfg && c->cfg->journal && !c->is_given)
		used_tools_note(c->cfg->journal, p, &c->notes);
}

/* Checks the policy, the shadow policy, and the files on this machine that both name. */
static void
check_policy(struct check *c)
{
	const char *file = c->policy_file ? c->policy_file : c->cfg ? c->cfg->policy : NULL;

	if (!file)
		return; /* the configuration has mistakes, which may concern the policy's file
			 * too */
	SCOPED_BUF(errors, 1 << 20);
	struct detect_rules *rules = NULL;
	const struct policy *p = c->policy = policy_open(
		&c->a, file, c->cfg, c->cfg ? c->cfg->detectors : NULL, &rules, &c->d);
	if (rules && detect_self_test(rules, &errors) && errors.n == 0)
		buf_str(&errors, "detectors: an example of the rules fails: tollgate "
				 "detectors test shows which one");
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
			note_next_start(c, c->cfg);
		if (p)
			note_unsent(c, p, c->cfg);
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
		note_used_tools(c, p);
	} else if (p && c->d.errors == 0 && !c->cannot) {
		printf("policy %s: valid; %zu route%s, %zu rule%s, %zu limit%s\n", p->label,
			p->nroutes, p->nroutes == 1 ? "" : "s", p->nall_rules,
			p->nall_rules == 1 ? "" : "s", p->nlimits, p->nlimits == 1 ? "" : "s");
		policy_notes(p, c->cfg, rules, add_note, c);
		note_used_tools(c, p);
		if (c->no_ranks && p->counts_tokens)
			buf_printf(&c->notes,
				"note: tokens are estimated, not counted: %s (docs/budgets.md: "
				"make "
				"ranks)\n",
				c->no_ranks);
		put_check_text(&c->notes, stdout);
	}
	c->rules = rules;
}

/* Sends the requests of --probe, once HAProxy's files have been read. */
static void
check_probe(struct check *c)
{
	probe_init(&c->probe);
	if (!c->cfg || !c->policy || !c->read || c->cannot) {
		cmd_fail("check", "--probe: nothing was sent: correct the mistakes above first");
		c->cannot = true;
		return;
	}
	c->probe.h = &c->h;
	c->probe.cfg = c->cfg;
	c->probe.policy = c->policy;
	if (probe_run(&c->probe) < 0)
		c->cannot = true;
	c->probe.nwrong += probe_recognizers(
		c->policy, c->rules, &c->probe.said, &c->probe.wrong);
	c->probe.nwrong += probe_transcribers(c->policy, &c->probe.said, &c->probe.wrong);
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
	for (int i = 0; i < n; i++) { /* further operands are files of HAProxy: check --haproxy
				       * FILE FILE */
		if (c.nhaproxy == FILES_MAX)
			return cmd_usage(argv[0]);
		c.haproxy[c.nhaproxy++] = operands[i];
	}
	c.config_file = config_find(c.named_config);
	if (!c.config_file && (c.named_config || (!c.policy_file && !c.haproxy_only)))
		return cmd_no_config("check", c.named_config,
			c.nhaproxy ? ", or add --haproxy-only" : ", or a policy with --policy");
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
	buf_init(&c.start, NOTES_BYTES);
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
		buf_span(&c.notes, buf_view(&c.start));
		check_print_json(code == EXIT_DONE, c.valid, &c.d.text, &c.judged.errors,
			&c.notes, &c.judged.advice);
	} else {
		put_check_text(&c.d.text, stderr);
		put_check_text(&c.judged.errors, stderr);
		put_check_text(&c.judged.advice, stdout);
		put_check_text(&c.start, stdout);
		put_check_text(&c.unread, stdout);
		put_check_text(&c.probe.said, stdout);
		put_check_text(&c.probe.wrong, stderr);
	}
	if (buf_failed(&c.judged.errors) || buf_failed(&c.judged.advice))
		fprintf(stderr, "tollgate: check: %u errors and %u notes; only the first "
				"ones are shown: correct these and run check again\n",
			c.judged.nerrors, c.judged.nadvice);
	json_decref(c.valid);
	probe_free(&c.probe);
	detect_free(&c.rules);
	buf_free(&c.notes);
	buf_free(&c.start);
	buf_free(&c.unread);
	buf_free(&c.why);
	judged_free(&c.judged);
	if (c.read)
		haproxy_free(&c.h);
	diag_free(&c.d);
	arena_reset(&c.a);
	return code;
}
