/* Rules about the stanza's surroundings: the shipped files, the mode of the gate's frontend,
 * lines for logins of MCP, and sockets. */
#include <stdio.h>

#include "operator/edge/judge_private.h"
#include "policy/config/config.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "scan/dialect/dialect.h"

/* ---- the shipped files ---- */

static const char *const our_backends[] = { "tollgate-agent", "tollgate-relay",
	"tollgate-deny" };

bool
is_ours(const struct haproxy_section *s)
{
	return is_back(s) && SPAN_IN(s->name, our_backends);
}

void
rule_shipped_missing(struct judge *j)
{
	for (size_t i = 0; i < COUNT_OF(our_backends); i++)
		if (!backend_named(j->h, span_str(our_backends[i]))) {
			found(j, j->engine,
				"EXTRAOPTS=\"-S /run/haproxy-master.sock -f "
				"/etc/haproxy/tollgate/tollgate.cfg\"",
				"backend %s is in none of these files: let HAProxy load "
				"/etc/haproxy/tollgate/tollgate.cfg too (on Debian by "
				"EXTRAOPTS in /etc/default/haproxy), and give this check the "
				"same files",
				our_backends[i]);
			return;
		}
}

/* The backend tollgate-deny answers denied requests itself, so it must have no server. */
void
rule_deny_answers(struct judge *j)
{
	static const char *const ways[] = { "server", "server-template", "dispatch",
		"use-server", "use-fcgi-app" };
	static const char *const open[] = { "allow", "use-service" };
	const struct haproxy_section *s = backend_named(j->h, SPAN_LIT("tollgate-deny"));
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;

	while (s && (l = haproxy_next(&w)))
		if (SPAN_IN(l->word[0], ways) || haproxy_begins(l, "option", "transparent") ||
			(span_is(l->word[0], "http-request") &&
				SPAN_IN(haproxy_word(l, 1), open)))
			found(j, l, NULL,
				"denied requests are sent to tollgate-deny, which must answer "
				"them itself; this line forwards them. Delete the line");
}

/* Returns the beginning of the first wanted line that the section lacks, or an empty span.
 * Lines with addresses and timeouts may differ. */
static struct span
lacks_line(const struct haproxy_section *s, const struct haproxy_section *want)
{
	static const char *const places[] = { "server", "use-server", "timeout", "errorfile" };

	for (size_t i = 0; i < want->n; i++)
		if (!SPAN_IN(want->line[i].word[0], places) && !find_line(s, &want->line[i]))
			return span_cut(span_trim(want->line[i].source, " \t"), 0, 60);
	return span_of("", 0);
}

/* Reads the engine's file as one section. The file is looked up by the path on the filter line;
 * before installation, it is next to the file that has the filter line. */
bool
read_engine(const struct haproxy_line *filter, struct haproxy *spoe)
{
	struct span file = filter ? last_value(filter, "config") : span_of("", 0);
	const char *slash = file.n ? strrchr(file.p, '/') : NULL;
	const char *beside = filter ? strrchr(filter->file, '/') : NULL;
	char path[4096] = "";

	haproxy_init(spoe);
	spoe->joined = true;
	haproxy_read_text(spoe, "spoe.cfg", SPAN_LIT("resolvers spoe\n"));
	if (file.n && haproxy_read(spoe, file.p) == 0)
		return true;
	if (slash && beside)
		snprintf(path, sizeof(path), "%.*s%s", (int)(beside - filter->file),
			filter->file, slash);
	return *path && haproxy_read(spoe, path) == 0;
}

static void
compare_engine(struct judge *j)
{
	struct haproxy mine, ours;

	if (!j->engine)
		return;
	haproxy_init(&ours);
	ours.joined = true;
	haproxy_read_text(&ours, "spoe.cfg", SPAN_LIT("resolvers spoe\n"));
	haproxy_read_text(&ours, "spoe.cfg", shipped("haproxy/spoe.cfg"));
	if (!read_engine(j->engine, &mine))
		found(j, j->engine, NULL,
			"tollgate cannot read %s, the SPOE file of this "
			"filter line: run the check as a user who can read the file",
			last_value(j->engine, "config").p);
	struct span lacks = lacks_line(&mine.section[0], &ours.section[0]);
	if (mine.section[0].n && lacks.n)
		found(j, &mine.section[0].line[0], NULL,
			"this SPOE file is from another version of tollgate (it lacks "
			"`%.*s`): copy share/tollgate/haproxy/spoe.cfg again",
			SPAN_ARG(lacks));
	haproxy_free(&mine);
	haproxy_free(&ours);
}

/* The daemon's addresses may differ, but the second instance needs its lines before the first
 * `tollgate upgrade`. */
static void
compare_second(struct judge *j)
{
	const struct haproxy_section *s = backend_named(j->h, SPAN_LIT("tollgate-relay"));
	bool any = !s;

	for (size_t i = 0; s && i < s->n; i++)
		any |= span_is(s->line[i].word[0], "use-server") &&
		       line_holds(&s->line[i], SECOND_NODE);
	if (!any)
		found(j, s->head, NULL,
			"%.*s lacks the relay sockets of the second instance, which `tollgate "
			"upgrade` starts: copy share/tollgate/haproxy/tollgate.cfg again",
			SPAN_ARG(s->name));
}

void
rule_shipped_differs(struct judge *j)
{
	for (size_t i = 0; i < COUNT_OF(our_backends); i++) {
		struct span name = span_str(our_backends[i]);
		const struct haproxy_section *s = backend_named(j->h, name);
		const struct haproxy_section *want = backend_named(&j->pieces, name);
		struct span lacks = s && want ? lacks_line(s, want) : span_of("", 0);
		if (lacks.n)
			found(j, s->head, NULL,
				"%.*s is from another version of tollgate (it lacks `%.*s`): "
				"copy share/tollgate/haproxy/tollgate.cfg again",
				SPAN_ARG(s->name), SPAN_ARG(lacks));
	}
	compare_second(j);
	compare_engine(j);
}

/* ---- logins of MCP ---- */

/* Returns true if the policy may answer with a challenge, from a route or from a rule's scope.
 */
static bool
challenges(const struct policy *p)
{
	bool any = p->logs_in;

	for (size_t i = 0; i < p->nrules; i++)
		any |= p->rules[i].scope != NULL;
	for (size_t i = 0; i < p->ntool_rules; i++)
		any |= p->tool_rules[i].scope != NULL;
	return any;
}

static void
judge_challenge(struct judge *j, const char *backend)
{
	const struct haproxy_section *s = backend_named(j->h, span_str(backend));
	const struct haproxy_section *want = backend_named(&j->pieces, span_str(backend));
	char paste[1024];
	size_t n = 0;

	for (size_t i = 0; s && want && i < want->n && n < sizeof(paste); i++)
		if (line_holds(&want->line[i], "tollgate.challenge") &&
			!find_line(s, &want->line[i]))
			n += (size_t)snprintf(paste + n, sizeof(paste) - n, "%.*s\n",
				SPAN_ARG(want->line[i].source));
	if (n)
		found(j, s->head, paste,
			"%.*s does not set www-authenticate, so clients of MCP do not learn "
			"where to log in and for which scope. Copy "
			"share/tollgate/haproxy/tollgate.cfg again, or add these lines below "
			"the one that sets request-id",
			SPAN_ARG(s->name));
}

static void
judge_origin_told(struct judge *j, const struct route *r)
{
	struct haproxy mine;
	const struct haproxy_line *lacks = NULL;

	if (!j->engine)
		return;
	bool read = read_engine(j->engine, &mine);
	for (size_t i = 0; read && i < mine.section[0].n && !lacks; i++)
		if (span_is(mine.section[0].line[i].word[0], "args") &&
			line_holds(&mine.section[0].line[i], "hdrs=req.hdrs_bin") &&
			!line_holds(
				&mine.section[0].line[i], "origin=var(txn.tollgate.origin)"))
			lacks = &mine.section[0].line[i];
	if (lacks)
		found(j, lacks, "origin=var(txn.tollgate.origin)",
			"these args do not report whether a page's origin is in origins.lst, "
			"so route %s answers pages with 403 (on routes with WebSockets, pages "
			"without a key). Copy share/tollgate/haproxy/spoe.cfg again, or add "
			"to the args",
			r->name);
	haproxy_free(&mine);
}

void
rule_login_lines(struct judge *j)
{
	const struct route *r = NULL;

	for (size_t i = 0; j->policy && i < j->policy->nroutes && !r; i++)
		if (dialect_is_of_mcp(j->policy->routes[i].dialect) ||
			j->policy->routes[i].websocket)
			r = &j->policy->routes[i];
	if (r)
		judge_origin_told(j, r);
	if (!j->policy || !challenges(j->policy))
		return;
	judge_challenge(j, "tollgate-deny");
	judge_challenge(j, "tollgate-relay");
}

/* ---- the gate's frontend ---- */

void
rule_gate_mode(struct judge *j)
{
	const struct haproxy_line *mode = j->gate ? haproxy_last(j->gate, "mode", NULL) : NULL;

	if (j->gate && (!mode || !span_is(haproxy_word(mode, 1), "http")))
		found(j, mode ? mode : j->gate->head, "mode http",
			"%.*s is not in HTTP mode, so none of its requests is inspected. Set "
			"the mode",
			SPAN_ARG(j->gate->name));
}

/* ---- sockets ---- */

static bool
unix_path(struct span address, struct span *path)
{
	if (span_starts(address, SPAN_LIT("unix@")))
		address = span_cut(address, 5, address.n);
	*path = address;
	return address.n && *address.p == '/';
}

/* The guards trust the bind's name: a request that arrives on a bind of this name counts as
 * passed. */
static void
judge_namesakes(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++)
		for (size_t k = 0; k < j->h->section[i].n; k++) {
			const struct haproxy_line *l = &j->h->section[i].line[k];
			bool named = false;
			for (size_t n = 2; n < l->n && span_is(l->word[0], "bind"); n++)
				named |= span_is(l->word[n], "tollgate-inner");
			if (l != j->inner_bind && named)
				found(j, l, NULL,
					"a second bind has the name tollgate-inner, and the "
					"guards let its requests pass uninspected: give this "
					"bind another name");
		}
}

/* HAProxy must not connect to the inner bind itself. Servers are compared by the socket's file
 * name, because a chroot, a link or `//` can change the rest of the path. */
static void
judge_ways_in(struct judge *j, struct span path)
{
	static const char *const ways[] = { "server", "server-template", "dispatch" };
	const char *file = memrchr(path.p, '/', path.n);
	struct span name = span_cut(path, (size_t)(file - path.p), path.n);

	for (size_t i = 0; i < j->h->n; i++)
		for (size_t k = 0; k < j->h->section[i].n; k++) {
			const struct haproxy_line *l = &j->h->section[i].line[k];
			bool there = false;
			for (size_t n = 1; n < l->n && SPAN_IN(l->word[0], ways); n++)
				there |= span_ends(l->word[n], name);
			if (there)
				found(j, l, NULL,
					"this server is the relay's bind, which skips "
					"inspection: requests that are sent to this server "
					"reach the provider uninspected. Delete the line");
		}
}

static size_t
count_words(const struct haproxy_line *l, const char *word)
{
	size_t n = 0;

	for (size_t i = 2; i < l->n; i++)
		n += span_is(l->word[i], word);
	return n;
}

/* Checks the bind on which the relay returns requests. These requests were inspected and skip
 * the gate, so only the relay may be able to connect: one Unix socket, mode 660 or 600. */
void
rule_inner_bind(struct judge *j)
{
	judge_namesakes(j);
	static const char line[] = "bind unix@/run/tollgate/inner.sock mode 660 user haproxy "
				   "group tollgate name tollgate-inner";
	const struct haproxy_line *l = j->inner_bind;
	struct span path, mode;

	if (!l) {
		if (j->gate && (!j->cfg || j->cfg->relay) && joint_stanza(j->gate))
			found(j, j->gate->head, line,
				"no bind is named tollgate-inner, so the relay cannot return "
				"requests to HAProxy. Add the bind");
		else if (j->gate && (!j->cfg || j->cfg->relay))
			found(j, j->gate->head, "setenv " INNER_SWITCH " tollgate.cfg",
				"no bind is named tollgate-inner, so the relay cannot return "
				"requests to HAProxy. tollgate.cfg of this version defines "
				"the bind if a `global` section that is read before it sets "
				"this variable");
		return;
	}
	if (!unix_path(haproxy_word(l, 1), &path)) {
		found(j, l, line,
			"this bind skips inspection, and on %.*s every local user can connect "
			"to it. Use a Unix socket in the file system, neither an abstract "
			"socket nor TCP",
			SPAN_ARG(haproxy_word(l, 1)));
		return;
	}
	judge_ways_in(j, path);
	if (memchr(path.p, ',', path.n)) {
		found(j, l, line,
			"this bind skips inspection, and it has several addresses. Keep only "
			"the Unix socket");
		return;
	}
	if (count_words(l, "name") > 1 || count_words(l, "mode") > 1)
		found(j, l, line,
			"this bind skips inspection, and it sets its name or mode more than "
			"once; HAProxy uses the last one. Keep one of each");
	mode = last_value(l, "mode");
	if (!mode.n || !(span_is(mode, "660") || span_is(mode, "0660") ||
			       span_is(mode, "600") || span_is(mode, "0600")))
		found(j, l, line,
			"this bind skips inspection, and its mode is %.*s: every process that "
			"can write to the socket reaches the provider uninspected. Use 660 or "
			"600",
			SPAN_ARG(mode.n ? mode : SPAN_LIT("not set (the umask decides)")));
	if (j->cfg && j->cfg->relay && j->cfg->relay_egress.path &&
		!span_is(path, j->cfg->relay_egress.path))
		found(j, l, line,
			"the relay connects to %s (relay.egress of %s), not to this "
			"bind. Use the same path in both",
			j->cfg->relay_egress.path, j->cfg->file);
}

/* Compares the Unix sockets of a backend's servers, prefixed with HAProxy's chroot, with the
 * addresses on which the daemon listens. */
static void
judge_servers(struct judge *j, const char *backend, const struct address *listen, size_t n,
	const char *key)
{
	const struct haproxy_section *s = backend_named(j->h, span_str(backend));
	struct span chroot = span_trim(global_value(j->h, "chroot"), "");
	const struct haproxy_line *first = NULL;
	char path[4096] = "";

	for (size_t i = 0; s && i < s->n; i++) {
		struct span server;
		if (!span_is(s->line[i].word[0], "server") ||
			!unix_path(haproxy_word(&s->line[i], 2), &server))
			continue;
		while (chroot.n && chroot.p[chroot.n - 1] == '/')
			chroot.n--;
		snprintf(path, sizeof(path), "%.*s%.*s", SPAN_ARG(chroot), SPAN_ARG(server));
		for (size_t k = 0; k < n; k++)
			if (listen[k].path && !strcmp(listen[k].path, path))
				return;
		first = first ? first : &s->line[i];
	}
	if (first)
		found(j, first, NULL,
			"HAProxy connects to %s (inside its chroot, here \"%.*s\"), but %s of "
			"%s is %s: set that key to unix@%s",
			path, SPAN_ARG(chroot), key, j->cfg->file,
			n ? listen[0].text : "not set", path);
}

void
rule_sockets(struct judge *j)
{
	if (!j->cfg)
		return;
	judge_servers(j, "tollgate-agent", j->cfg->agent, j->cfg->nagent, "agent.listen");
	if (j->cfg->relay)
		judge_servers(j, "tollgate-relay", &j->cfg->relay_listen, 1, "relay.listen");
}

/* The daemon's sockets are accessible to the group haproxy. HAProxy as root needs no group. */
void
rule_socket_group(struct judge *j)
{
	const struct haproxy_section *relay = backend_named(j->h, SPAN_LIT("tollgate-agent"));
	struct span user = global_value(j->h, "user"), group = global_value(j->h, "group");

	if (!relay || global_value(j->h, "gid").n || span_is(group, "haproxy") ||
		span_is(user, "root") || span_is(user, "tollgate") ||
		(!user.n && !group.n && !global_value(j->h, "uid").n))
		return;
	found(j, NULL, "group haproxy",
		"HAProxy runs in the group %.*s, but only the group haproxy can use "
		"tollgate's sockets, so every request gets 503. Set the group in `global`",
		SPAN_ARG(group.n ? group : SPAN_LIT("of root without root's rights")));
}
