/* Runs the rules: collects the facts that they share, calls each rule, and writes the findings.
 * Helpers that several rules use are here as well. The table of rules is at the end, after two groups of rules.
 *
 * Each frontend of the gate is compared with one shipped section. shipped_of() chooses it: the
 * current stanza, the stanza of version 0.2 (joint.cfg), its older form that decides at each
 * line, or the frontend of the complete example.
 *
 * The first group of rules checks the stanza's surroundings: the shipped files, the mode of the
 * gate's frontend, lines for logins of MCP, and sockets.
 *
 * The second group checks what the policy's targets need from HAProxy. If a route allows several
 * attempts, HAProxy must report why an attempt failed and must not retry by itself. If
 * tollgate.yaml has a credential for a target, HAProxy must set the header that the relay sends.
 * External providers must not receive headers with the caller's origin. */
#include <stdio.h>

#include "base/codec/credentials.h"
#include "base/scoped.h"
#include "operator/edge/judge_private.h"
#include "policy/config/config.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/target.h"
#include "scan/dialect/dialect.h"

/* ---- findings ---- */

void
found(struct judge *j, const struct haproxy_line *at, const char *paste, const char *fmt, ...)
{
	struct buf *out = j->rule->error ? &j->out->errors : &j->out->advice;
	struct span rest = span_str(paste);
	char why[1024];
	va_list ap;

	if (!at && j->h->n)
		at = j->h->section[0].head;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (j->rule->error)
		j->out->nerrors++;
	else
		j->out->nadvice++;
	buf_printf(out, "%s%s:%u:1: %s: %s%s\n",
		j->rule->error ? "" : "advice: ", at ? at->file : "haproxy.cfg",
		at ? at->line : 1, j->rule->name, why, paste ? "; write:" : "");
	while (rest.p && rest.n) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (line.n && *line.p != '#')
			buf_printf(out, "    %.*s\n", SPAN_ARG(line));
	}
}

/* ---- lines ---- */

bool
same_line(const struct haproxy_line *a, const struct haproxy_line *b)
{
	if (a->n != b->n || a->negated != b->negated)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!span_eq(a->word[i], b->word[i]))
			return false;
	return true;
}

/* Returns the section's first line that equals `l`, or NULL. */
static const struct haproxy_line *
find_line(const struct haproxy_section *s, const struct haproxy_line *l)
{
	for (size_t i = 0; i < s->n; i++)
		if (same_line(&s->line[i], l))
			return &s->line[i];
	return NULL;
}

bool
line_holds(const struct haproxy_line *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->word[i].n &&
			memmem(l->word[i].p, l->word[i].n, text, strlen(text)) != NULL)
			return true;
	return false;
}

struct span
last_value(const struct haproxy_line *l, const char *word)
{
	struct span value = { "", 0 };

	for (size_t i = 2; i + 1 < l->n; i++)
		if (span_is(l->word[i], word))
			value = l->word[i + 1];
	return value;
}

struct span
global_value(const struct haproxy *h, const char *word)
{
	struct span value = { "", 0 };

	for (size_t i = 0; i < h->n; i++)
		for (size_t k = 0; h->section[i].kind == HAPROXY_GLOBAL && k < h->section[i].n;
			k++)
			if (span_is(h->section[i].line[k].word[0], word))
				value = haproxy_word(&h->section[i].line[k], 1);
	return value;
}

const struct haproxy_section *
backend_named(const struct haproxy *h, struct span name)
{
	for (size_t i = 0; i < h->n; i++)
		if (is_back(&h->section[i]) && span_eq(h->section[i].name, name))
			return &h->section[i];
	return NULL;
}

bool
is_provider(const struct judge *j, const struct haproxy_section *s)
{
	if (!is_back(s) || is_ours(s))
		return false;
	for (size_t i = 0; j->cfg && i < j->cfg->nbackends; i++)
		if (span_is(s->name, j->cfg->backends[i]))
			return true;
	return credential_of(s) != NULL;
}

/* ---- facts ---- */

const struct haproxy_line *
engine_of(const struct haproxy_section *s)
{
	for (size_t i = 0; is_front(s) && i < s->n; i++)
		if (haproxy_begins(&s->line[i], "filter", "spoe") &&
			span_is(last_value(&s->line[i], "engine"), "tollgate"))
			return &s->line[i];
	return NULL;
}

const struct haproxy_line *
inner_bind_of(const struct haproxy_section *s)
{
	for (size_t i = 0; is_front(s) && i < s->n; i++)
		if (span_is(s->line[i].word[0], "bind") &&
			span_is(last_value(&s->line[i], "name"), "tollgate-inner"))
			return &s->line[i];
	return NULL;
}

#define OWN_INNER "tollgate-inner"

/* Returns true for the frontend of the second pass that tollgate.cfg defines. */
static bool
is_own_inner(const struct haproxy_section *s)
{
	return span_is(s->name, OWN_INNER);
}

const struct haproxy_section *
inner_of(const struct haproxy *h)
{
	const struct haproxy_section *inner = NULL;

	for (size_t i = 0; i < h->n; i++)
		if (inner_bind_of(&h->section[i]) && (!inner || is_own_inner(&h->section[i])))
			inner = &h->section[i];
	return inner;
}

bool
joint_stanza(const struct haproxy_section *s)
{
	return inner_bind_of(s) || haproxy_own(s, "acl", "tollgate-inner");
}

static void
add_older(struct buf *out, struct span piece)
{
	while (piece.n) {
		shipped_older(span_next(&piece, '\n'), out);
		buf_putc(out, '\n');
	}
}

/* Parses the shipped lines into sections. There are frontends for the stanza of this version,
 * of 0.2 and of the older form, each with its routes, and those of the complete example and of
 * the second pass. The guard is a backend. */
static void
read_pieces(struct judge *j)
{
	struct haproxy *p = &j->pieces;

	haproxy_init(p);
	memcpy(p->version, j->h->version, sizeof(p->version));
	SCOPED_BUF(text, JUDGE_TEXT_BYTES);
	buf_str(&text, "frontend stanza\n");
	buf_span(&text, shipped_piece(PIECE_STANZA));
	buf_span(&text, shipped_piece(PIECE_ROUTES));
	buf_str(&text, "backend guard\n");
	buf_span(&text, shipped_piece(PIECE_GUARD));
	buf_str(&text, "frontend joint\n");
	buf_span(&text, shipped_piece(PIECE_JOINT_STANZA));
	buf_span(&text, shipped_piece(PIECE_JOINT_ROUTES));
	buf_str(&text, "frontend older\n");
	add_older(&text, shipped_piece(PIECE_JOINT_STANZA));
	add_older(&text, shipped_piece(PIECE_JOINT_ROUTES));
	haproxy_read_text(p, "bolt-on.cfg", buf_view(&text));
	haproxy_setenv(p, SPAN_LIT(INNER_SWITCH), SPAN_LIT("1"));
	haproxy_read_text(p, "haproxy.cfg", shipped("haproxy/haproxy.cfg"));
	haproxy_read_text(p, "tollgate.cfg", shipped("haproxy/tollgate.cfg"));
	for (size_t i = 0; i < p->n; i++) {
		const struct haproxy_section *s = &p->section[i];
		if (span_is(s->name, "stanza"))
			j->shipped_stanza = s;
		if (span_is(s->name, "joint"))
			j->shipped_joint = s;
		if (span_is(s->name, "older"))
			j->shipped_older = s;
		if (span_is(s->name, "edge"))
			j->shipped_edge = s;
		if (j->inner && !engine_of(j->inner) &&
			span_is(s->name, is_own_inner(j->inner) ? OWN_INNER : "egress"))
			j->shipped_inner = s;
		if (span_is(s->name, "guard"))
			j->shipped_guard = s;
	}
}

/* If several frontends load the engine, one may follow the complete example and another the
 * bolt-on, which selects requests by `acl tollgate`. */
const struct haproxy_section *
shipped_of(const struct judge *j, const struct haproxy_section *s)
{
	if (is_ours(s))
		return backend_named(&j->pieces, s->name);
	if (!engine_of(s))
		return s == j->inner ? j->shipped_inner : NULL;
	if (!j->bolt_on && !haproxy_own(s, "acl", "tollgate"))
		return j->shipped_edge;
	return older_stanza(s)	 ? j->shipped_older
	       : joint_stanza(s) ? j->shipped_joint
				 : j->shipped_stanza;
}

/* ---- rules about the surroundings of the stanza ---- */

/* ---- the shipped files ---- */

static const char *const our_backends[] = { "tollgate-agent", "tollgate-relay",
	"tollgate-deny" };

bool
is_ours(const struct haproxy_section *s)
{
	return is_back(s) && SPAN_IN(s->name, our_backends);
}

static void
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

/* The backend tollgate-deny answers denied requests itself, so it must
 * have no server. */
static void
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

static void
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

static void
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

static void
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

/* Checks the bind on which the relay returns requests. These requests
 * were inspected and skip the gate, so only the relay may be able to connect: one Unix
 * socket, mode 660 or 600. */
static void
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

/* Returns the last component of a path with its slash. */
static struct span
socket_file(struct span path)
{
	const char *p = path.n ? memrchr(path.p, '/', path.n) : NULL;

	return p ? span_cut(path, (size_t)(p - path.p), path.n) : path;
}

/* Writes how HAProxy and the daemon can have the same path: HAProxy gets the daemon's folder if
 * its chroot contains that folder, otherwise the daemon gets a folder in the chroot. */
static void
found_socket(struct judge *j, const struct haproxy_line *l, struct span server,
	struct span chroot, const struct address *listen, const char *key)
{
	struct span path = span_str(listen && listen->path ? listen->path : ""), file;
	char where[256] = "without a chroot", paste[512] = "";

	if (chroot.n)
		snprintf(where, sizeof(where), "inside its chroot %.*s", SPAN_ARG(chroot));
	if (path.n && span_starts(path, chroot) && path.p[chroot.n] == '/') {
		file = socket_file(path);
		path = span_cut(path, chroot.n, path.n - file.n);
		snprintf(paste, sizeof(paste), "setenv " SOCKETS_VARIABLE " %.*s",
			SPAN_ARG(path));
		found(j, l, paste,
			"HAProxy connects to %.*s (%s), but %s of %s is %s. %s",
			SPAN_ARG(server), where, key, j->cfg->file, listen->text,
			l->environment
				? "Add this line to `global`, in a file that HAProxy reads "
				  "before tollgate.cfg"
				: "Copy share/tollgate/haproxy/tollgate.cfg again, whose paths "
				  "begin with the value of this line of `global`");
		return;
	}
	file = socket_file(path.n ? path : server);
	found(j, l, NULL,
		"HAProxy connects to %.*s (%s), but %s of %s is %s: set that key to "
		"unix@%.*s%.*s%.*s, in a folder that belongs to user tollgate and group "
		"haproxy with mode 750",
		SPAN_ARG(server), where, key, j->cfg->file,
		listen ? listen->text : "not set", SPAN_ARG(chroot),
		SPAN_ARG(span_cut(server, 0, server.n - socket_file(server).n)), SPAN_ARG(file));
}

/* Compares the Unix sockets of a backend's servers, prefixed with HAProxy's chroot, with the
 * addresses on which the daemon listens. */
static void
judge_servers(struct judge *j, const char *backend, const struct address *listen, size_t n,
	const char *key)
{
	const struct haproxy_section *s = backend_named(j->h, span_str(backend));
	struct span chroot = global_value(j->h, "chroot"), server, first_path = { NULL, 0 };
	const struct haproxy_line *first = NULL;
	bool alike = false;
	char path[4096];

	while (chroot.n && chroot.p[chroot.n - 1] == '/')
		chroot.n--;
	for (size_t i = 0; s && i < s->n; i++) {
		bool of_key = false;
		if (!span_is(s->line[i].word[0], "server") ||
			!unix_path(haproxy_word(&s->line[i], 2), &server))
			continue;
		snprintf(path, sizeof(path), "%.*s%.*s", SPAN_ARG(chroot), SPAN_ARG(server));
		for (size_t k = 0; k < n; k++)
			if (listen[k].path && !strcmp(listen[k].path, path))
				return;
			else if (listen[k].path)
				of_key |= span_eq(socket_file(span_str(listen[k].path)),
					socket_file(server));
		/* the sockets of workers and of the second instance have other names */
		if (!first || (of_key && !alike)) {
			first = &s->line[i];
			first_path = server;
		}
		alike |= of_key;
	}
	if (first)
		found_socket(j, first, first_path, chroot, n ? &listen[0] : NULL, key);
}

static void
rule_sockets(struct judge *j)
{
	if (!j->cfg)
		return;
	judge_servers(j, "tollgate-agent", j->cfg->agent, j->cfg->nagent, "agent.listen");
	if (j->cfg->relay)
		judge_servers(j, "tollgate-relay", &j->cfg->relay_listen, 1, "relay.listen");
}

/* The daemon's sockets are accessible to the group haproxy. HAProxy as
 * root needs no group. */
static void
rule_socket_group(struct judge *j)
{
	const struct haproxy_section *relay = backend_named(j->h, SPAN_LIT("tollgate-agent"));
	struct span user = global_value(j->h, "user"), group = global_value(j->h, "group");

	const char *sockets = j->cfg && j->cfg->socket_group ? j->cfg->socket_group : "haproxy";

	if (!relay || global_value(j->h, "gid").n || span_is(group, sockets) ||
		span_is(user, "root") || span_is(user, "tollgate") ||
		(!user.n && !group.n && !global_value(j->h, "uid").n))
		return;
	found(j, NULL, arena_printf(&j->pieces.arena, "group %s", sockets).p,
		"HAProxy runs in the group %.*s, but only the group %s can use tollgate's "
		"sockets, so every request gets 503. Set the group in `global`",
		SPAN_ARG(group.n ? group : SPAN_LIT("of root without root's rights")),
		sockets);
}

/* ---- rules about what the policy's targets need ---- */

/* ---- which targets, and which backends ---- */

/* A position in the policy's list of targets. */
struct targets_at {
	size_t route, target;
};

/* Returns the next target of the policy, from {0, 0} on; NULL: there are no more. */
static const struct target *
next_target(const struct judge *j, struct targets_at *at)
{
	for (; j->policy && at->route < j->policy->nroutes; at->route++, at->target = 0)
		if (at->target < j->policy->routes[at->route].ntargets)
			return &j->policy->routes[at->route].targets[at->target++];
	return NULL;
}

/* Returns true if a request of the route may have a second attempt. */
static bool
may_repeat(const struct route *r)
{
	return r->retry.attempts > 1;
}

/* Returns true if the route may send to this backend. If the policy leaves the choice to
 * HAProxy's routing, every provider's backend counts. */
static bool
leads_to(const struct judge *j, const struct route *r, const struct haproxy_section *s)
{
	for (size_t i = 0; i < r->ntargets; i++)
		if (r->targets[i].backend ? span_is(s->name, r->targets[i].backend)
					  : is_provider(j, s))
			return true;
	return false;
}

/* Returns the first route with several attempts that may send to this backend, or NULL. */
static const struct route *
repeating_route(const struct judge *j, const struct haproxy_section *s)
{
	for (size_t i = 0; j->policy && i < j->policy->nroutes; i++)
		if (may_repeat(&j->policy->routes[i]) && leads_to(j, &j->policy->routes[i], s))
			return &j->policy->routes[i];
	return NULL;
}

/* ---- HAProxy's own retries ---- */

static void
rule_retried_answers(struct judge *j)
{
	static const char *const unsent[] = { "conn-failure", "none" };

	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *l = haproxy_last(s, "retry-on", NULL);
		size_t k = 1;
		if (!l || !is_back(s) || is_ours(s) ||
			!(is_provider(j, s) || repeating_route(j, s)))
			continue;
		while (k < l->n && SPAN_IN(l->word[k], unsent))
			k++;
		if (k < l->n)
			found(j, l, "retry-on conn-failure",
				"%.*s: `%.*s` repeats requests that the provider may have "
				"received and charged, in addition to the policy's attempts. "
				"Limit it to connection failures, and let the relay repeat "
				"(`retry` of a route)",
				SPAN_ARG(s->name), SPAN_ARG(l->word[k]));
	}
}

/* ---- the second pass ---- */

/* The inner frontend of tollgate.cfg has no routes of its own, and the
 * routes of the operator's frontend apply only to requests without the relay. */
static void
rule_inner_routes(struct judge *j)
{
	struct haproxy_walk w = haproxy_walk(j->inner);
	const struct haproxy_line *l;

	if (!j->inner || engine_of(j->inner))
		return;
	while ((l = haproxy_next(&w)))
		if (span_is(l->word[0], "default_backend") ||
			(span_is(l->word[0], "use_backend") &&
				!line_holds(l, "txn.tollgate.backend")))
			return;
	for (size_t i = 0; j->policy && i < j->policy->nroutes; i++) {
		const struct route *r = &j->policy->routes[i];
		bool named = true;
		for (size_t k = 0; k < r->ntargets; k++)
			named &= r->targets[k].backend != NULL;
		if (!named || r->ntargets == 0)
			found(j, j->inner->head, NULL,
				"route %s of the policy names no backend, and this frontend "
				"has no route of its own, so relayed requests get 503. Set "
				"`backend` or `targets` in the route",
				r->name);
	}
}

/* Collects in `paste` the shipped lines of this kind that the frontend lacks, or has inside an
 * .if of unknown condition. Returns the frontend if there is such a line, otherwise NULL. */
static const struct haproxy_section *
lacks_later(const struct judge *j, const struct haproxy_section *of, enum shipped_later which,
	char *paste, size_t size)
{
	const struct haproxy_section *want = of ? shipped_of(j, of) : NULL;
	size_t n = 0;

	*paste = 0;
	for (size_t i = 0; want && i < want->n && n < size; i++) {
		const struct haproxy_line *l = &want->line[i];
		const struct haproxy_line *own = find_matching(of, l);
		if (shipped_later(l->source) == which && (!own || own->maybe))
			n += (size_t)snprintf(
				paste + n, size - n, "%.*s\n", SPAN_ARG(l->source));
	}
	return n ? of : NULL;
}

static void
rule_attempt_lines(struct judge *j)
{
	char paste[2048];
	const struct haproxy_section *s =
		lacks_later(j, j->inner, LATER_SAID, paste, sizeof(paste));

	for (size_t i = 0; s && j->policy && i < j->policy->nroutes; i++)
		if (may_repeat(&j->policy->routes[i])) {
			found(j, s->head, paste,
				"%.*s does not report whether the provider or HAProxy "
				"answered, so each failure on route %s counts as possibly "
				"charged. Run `tollgate init --write`, or add these lines below the line "
				"that deletes x-tollgate- from responses",
				SPAN_ARG(s->name), j->policy->routes[i].name);
			return;
		}
}

static void
rule_socket_lines(struct judge *j)
{
	char paste[2048];
	const struct haproxy_section *s =
		lacks_later(j, j->gate, LATER_SOCKET, paste, sizeof(paste));

	for (size_t i = 0; s && j->policy && i < j->policy->nroutes; i++)
		if (j->policy->routes[i].websocket) {
			found(j, s->head, paste,
				"%.*s refuses every Upgrade, so WebSockets of route %s get "
				"501. Run `tollgate init --write`, or add these lines below the line that "
				"sets txn.tollgate.via to refused",
				SPAN_ARG(s->name), j->policy->routes[i].name);
			return;
		}
}

/* ---- the caller's origin ---- */

/* Returns the first external target that a request reaches through this backend (NULL: any
 * backend), or NULL. */
static const struct target *
outside_target(const struct judge *j, const struct haproxy_section *s)
{
	const struct target *t;

	for (struct targets_at at = { 0, 0 }; (t = next_target(j, &at));)
		if (t->external &&
			(!s || (t->backend ? span_is(s->name, t->backend) : is_provider(j, s))))
			break;
	return t;
}

static void
rule_caller_lines(struct judge *j)
{
	char paste[4096];
	const struct haproxy_section *s =
		lacks_later(j, j->gate, LATER_CALLER, paste, sizeof(paste));

	if (s && outside_target(j, NULL))
		found(j, s->head, paste,
			"%.*s sends headers that no API needs to external providers if a "
			"request does not take the relay, such as those of proxies that log "
			"people in. Run `tollgate init --write`, or add these lines below the line that "
			"deletes credentials",
			SPAN_ARG(s->name));
}

/* Returns true if the line adds a header with the caller's origin, as an option, which HAProxy
 * applies after all rules, or as a rule. Stores the header's name in *name. */
static bool
adds_caller(const struct haproxy_line *l, struct span *name)
{
	static const struct {
		const char *option, *header;
	} options[] = { { "forwardfor", "X-Forwarded-For" }, { "forwarded", "Forwarded" },
		{ "originalto", "X-Original-To" } };
	struct span word = haproxy_word(l, 1), own = last_value(l, "header");

	for (size_t i = 0; !l->negated && i < COUNT_OF(options); i++)
		if (haproxy_begins(l, "option", options[i].option)) {
			*name = own.n ? own : span_str(options[i].header);
			return true;
		}
	*name = haproxy_word(l, 2);
	return span_is(l->word[0], "http-request") &&
	       (span_is(word, "set-header") || span_is(word, "add-header")) &&
	       caller_field(*name);
}

/* Returns true if the stanza deletes the header afterwards: the line is a rule above the
 * stanza, in the frontend or its defaults. */
static bool
stanza_deletes(const struct haproxy_section *s, const struct haproxy_line *l)
{
	const struct haproxy_line *deletes = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (shipped_later(s->line[i].source) == LATER_CALLER)
			deletes = &s->line[i];
	return deletes && !span_is(l->word[0], "option") && is_before(s, l, deletes);
}

/* Each line is reported once, even if it is in defaults that many
 * sections use. */
static void
rule_caller_address(struct judge *j)
{
	const struct haproxy_line *said[32];
	size_t n = 0;

	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct target *t =
			is_back(s) && !is_ours(s) ? outside_target(j, s) : NULL;
		if (!t && !(is_front(s) && engine_of(s) && (t = outside_target(j, NULL))))
			continue;
		struct haproxy_walk w = haproxy_walk(s);
		const struct haproxy_line *l;
		struct span name;
		while ((l = haproxy_next(&w))) {
			bool again = !adds_caller(l, &name) || stanza_deletes(s, l);
			for (size_t k = 0; k < n; k++)
				again |= said[k] == l;
			if (again || n == COUNT_OF(said))
				continue;
			said[n++] = l;
			found(j, l, NULL,
				"this line adds %.*s after tollgate has deleted such headers, "
				"so the external provider %s receives the caller's address "
				"(%.*s). Move the line to the backends of your own servers, "
				"or give these a `defaults` section of their own",
				SPAN_ARG(name), *t->name ? t->name : t->known,
				SPAN_ARG(s->name));
		}
	}
}

/* Only the second pass matters: in the first, the relay has the
 * complete head already. */
static void
rule_argument_lines(struct judge *j)
{
	const struct haproxy_section *want = j->inner ? shipped_of(j, j->inner) : NULL;
	const struct route *r = NULL;

	for (size_t i = 0; j->policy && i < j->policy->nroutes && !r; i++)
		if (dialect_is_of_mcp(j->policy->routes[i].dialect))
			r = &j->policy->routes[i];
	for (size_t i = 0; want && r && i < want->n; i++) {
		const struct haproxy_line *own = find_matching(j->inner, &want->line[i]);
		if (!own || !line_deletes_arguments(own, &want->line[i]))
			continue;
		found(j, own, arena_dup(&j->pieces.arena, want->line[i].source).p,
			"this line deletes fields such as Mcp-Param-Api-Key, which are "
			"arguments of tools, so servers of route %s may refuse such calls. "
			"Run `tollgate init --write`, or write this line instead",
			r->name);
	}
}

/* Returns the next target whose credential is in tollgate.yaml, from {0, 0} on; NULL: there are
 * no more. */
static const struct target *
next_credential(const struct judge *j, struct targets_at *at)
{
	const struct target *t;

	while ((t = next_target(j, at)) && !t->credential)
		;
	return t;
}

static void
rule_credential_lines(struct judge *j)
{
	char paste[4096];
	const struct haproxy_section *s =
		lacks_later(j, j->inner, LATER_CREDENTIAL, paste, sizeof(paste));
	const struct target *t = next_credential(j, &(struct targets_at){ 0, 0 });

	if (s && t)
		found(j, s->head, paste,
			"%.*s deletes the credential that the relay adds for provider %s "
			"(credentials of %s) and does not set it, so the provider receives "
			"none. Run `tollgate init --write`, or add the set-var lines above "
			"the line that deletes x-tollgate- and the set-header lines below the "
			"line that deletes credentials",
			SPAN_ARG(s->name), t->name, j->cfg ? j->cfg->file : "tollgate.yaml");
}

/* With two credentials, the order of rules decides which is sent, and
 * both may be. */
static void
rule_credential_twice(struct judge *j)
{
	const struct target *t;

	for (struct targets_at at = { 0, 0 }; (t = next_credential(j, &at));) {
		const struct haproxy_section *s =
			t->backend ? backend_named(j->h, span_str(t->backend)) : NULL;
		const struct haproxy_line *l = s ? credential_of(s) : NULL;
		bool again = false;
		const struct target *before;
		for (struct targets_at b = { 0, 0 };
			(before = next_credential(j, &b)) && before != t;)
			again |= before->backend && t->backend
					 ? !strcmp(before->backend, t->backend)
					 : before->backend == t->backend;
		if (again)
			continue;
		if (!t->backend)
			found(j, NULL, NULL,
				"provider %s has a credential in tollgate.yaml but names no "
				"backend, so HAProxy's routing decides which backend receives "
				"the credential: name a backend in the policy",
				t->name);
		else if (l)
			found(j, l, NULL,
				"%s sets a credential, and provider %s has another one in "
				"tollgate.yaml (credentials): delete one of the two",
				t->backend, t->name);
	}
}

/* Returns the section's last line that changes Host, or NULL if the caller's Host is sent. */
static const struct haproxy_line *
host_of(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *last = NULL;

	while ((l = haproxy_next(&w)))
		if (span_is(haproxy_word(l, 0), "http-request") &&
			span_ends(haproxy_word(l, 1), SPAN_LIT("-header")) &&
			span_ieq(haproxy_word(l, 2), SPAN_LIT("host")))
			last = l;
	return last;
}

/* The signature covers the host in tollgate.yaml, and the provider
 * verifies it against the Host that it receives. */
static void
rule_signed_host(struct judge *j)
{
	const struct target *t;

	for (struct targets_at at = { 0, 0 }; (t = next_credential(j, &at));) {
		const char *host = t->credential->kind == BY_SIGV4 ? t->credential->host : NULL;
		const struct haproxy_section *s =
			t->backend ? backend_named(j->h, span_str(t->backend)) : NULL;
		const struct haproxy_line *l = s && host ? host_of(s) : NULL;
		struct span sent = l ? haproxy_word(l, 3) : span_of("", 0);
		bool again = false;
		const struct target *before;
		for (struct targets_at b = { 0, 0 };
			(before = next_credential(j, &b)) && before != t;)
			again |= !strcmp(before->name, t->name);
		/* a Host under a condition, or one computed from samples, is unknown here */
		if (!s || !host || again || (l && l->n > 4) || span_chr(sent, '%') < sent.n ||
			(l && !span_is(l->word[1], "set-header")) ||
			(l && span_ieq(sent, span_str(host))))
			continue;
		found(j, l ? l : s->head,
			arena_printf(&j->pieces.arena, "http-request set-header host %s", host)
				.p,
			"%s sends the Host %.*s, but requests of provider %s are signed for "
			"%s (credentials of %s, sigv4: host), so the provider refuses them. "
			"Set the signed host",
			t->backend, SPAN_ARG(l ? sent : SPAN_LIT("that the caller sent")),
			t->name, host, j->cfg ? j->cfg->file : "tollgate.yaml");
	}
}

/* ---- the table of rules ---- */

enum { ADVICE, ERROR };
enum { ONCE, GATES };
/* clang-format off */
/*  name                     error   asked  function                     one line for the manual.  GATES: asked for each frontend that loads the engine */
const struct judge_rule judge_rules[] = {
  { "haproxy-version",       ADVICE, ONCE,  rule_version,               "tollgate is tested with this version of HAProxy" },
  { "stanza-absent",         ERROR,  ONCE,  rule_stanza_absent,         "a frontend loads the SPOE engine of tollgate" },
  { "shipped-missing",       ERROR,  ONCE,  rule_shipped_missing,       "HAProxy loads tollgate.cfg in addition to your own files" },
  { "gate-mode",             ERROR,  GATES, rule_gate_mode,             "the frontend of the gate speaks HTTP" },
  { "stanza-scope",          ERROR,  GATES, rule_stanza_scope,          "the ACL of the gate matches a host or a bind, never a path" },
  { "stanza-lines",          ERROR,  GATES, rule_stanza_lines,          "the stanza has every line of the shipped stanza, without a change" },
  { "scope-changed",         ERROR,  GATES, rule_scope_changed,         "no rule changes the values of the stanza's ACL so that requests bypass it" },
  { "stanza-order",          ERROR,  GATES, rule_stanza_order,          "the stanza's lines have the shipped order" },
  { "routes-after-own",      ERROR,  GATES, rule_routes_after_own,      "the stanza's use_backend lines come before any other" },
  { "inner-lines",           ERROR,  ONCE,  rule_inner_lines,           "the relay's second pass has its own rules" },
  { "inner-bind",            ERROR,  ONCE,  rule_inner_bind,            "only tollgate can connect to the relay's bind, which is a Unix socket" },
  { "inner-routes",          ERROR,  ONCE,  rule_inner_routes,          "each relayed request has a backend" },
  { "inner-answered",        ERROR,  ONCE,  rule_inner_answered,        "no rule answers relayed requests for values that differ in the second pass" },
  { "credential-unguarded",  ERROR,  ONCE,  rule_credential_unguarded,  "each backend that holds a credential begins with the guard" },
  { "credential-in-front",   ERROR,  ONCE,  rule_credential_in_front,   "no frontend sets a provider's credential" },
  { "ungated-provider",      ERROR,  ONCE,  rule_ungated_provider,      "a request that bypasses the gate reaches no provider without key and guard" },
  { "own-variables",         ERROR,  ONCE,  rule_own_variables,         "only the shipped rules write the variables that the gate reads" },
  { "variables-limit",       ERROR,  ONCE,  rule_variables_limit,       "no limit of HAProxy's memory drops variables that the gate reads" },
  { "ends-before",           ERROR,  GATES, rule_ends_before,           "no `allow` before the stanza ends the evaluation of HAProxy's rules" },
  { "cached-answers",        ERROR,  GATES, rule_cached_answers,        "no HAProxy cache answers requests that pass the gate" },
  { "own-origins",           ERROR,  GATES, rule_own_origins,           "only origins.lst determines which pages may read responses" },
  { "deny-answers",          ERROR,  ONCE,  rule_deny_answers,          "the backend tollgate-deny forwards no denied request" },
  { "sockets",               ERROR,  ONCE,  rule_sockets,               "HAProxy connects to tollgate's sockets, also from its chroot" },
  { "deadlines",             ERROR,  ONCE,  rule_deadlines,             "HAProxy's timeouts are longer than tollgate's own" },
  { "compression-filter",    ERROR,  GATES, rule_compression_filter,    "a frontend with compression and SPOE declares its compression filter" },
  { "compression-overflow",  ERROR,  ONCE,  rule_compression_overflow,  "large buffers leave enough space for the worst case of compression" },
  { "retried-answers",       ERROR,  ONCE,  rule_retried_answers,       "no provider's backend repeats a request that may have been charged" },
  { "credential-lines",      ERROR,  ONCE,  rule_credential_lines,      "the relay's second pass sets the credentials of tollgate.yaml" },
  { "credential-twice",      ERROR,  ONCE,  rule_credential_twice,      "a backend sets a credential or gets one from tollgate.yaml, not both" },
  { "signed-host",           ERROR,  ONCE,  rule_signed_host,           "a backend sends the Host header that the relay signs for it" },
  { "socket-group",          ERROR,  ONCE,  rule_socket_group,          "HAProxy is in the group of tollgate's sockets" },
  { "shipped-differs",       ADVICE, ONCE,  rule_shipped_differs,       "tollgate.cfg and spoe.cfg are the files of this version" },
  { "stanza-older",          ADVICE, GATES, rule_stanza_older,          "the stanza evaluates its ACL once for each request" },
  { "attempt-lines",         ADVICE, ONCE,  rule_attempt_lines,         "HAProxy reports why an attempt failed, if a route allows another attempt" },
  { "argument-lines",        ADVICE, ONCE,  rule_argument_lines,        "header fields with arguments of MCP reach the server" },
  { "socket-lines",          ADVICE, ONCE,  rule_socket_lines,          "the policy decides WebSockets on routes that allow them" },
  { "caller-lines",          ADVICE, GATES, rule_caller_lines,          "external providers receive only the headers that their APIs need" },
  { "caller-address",        ADVICE, ONCE,  rule_caller_address,        "no option or rule adds the caller's address for external providers" },
  { "login-lines",           ADVICE, ONCE,  rule_login_lines,           "clients of MCP receive the login address, and pages in origins.lst may connect" },
  { "answer-lines",          ADVICE, GATES, rule_answer_lines,          "callers receive all header fields that the shipped stanza adds" },
  { "own-rules-twice",       ADVICE, GATES, rule_own_rules_twice,       "rules before the stanza do not run again on the relay's second pass" },
  { "changed-after",         ADVICE, GATES, rule_changed_after,         "no rule changes the path or method after the policy's decision" },
  { "ungated-guarded",       ADVICE, ONCE,  rule_ungated_guarded,       "no frontend without the stanza leads to a guarded backend" },
  { "certificates",          ADVICE, ONCE,  rule_certificates,          "no certificate expires within 14 days" },
};
/* clang-format on */
const size_t judge_rules_count = COUNT_OF(judge_rules);

/* ---- the run ---- */

static void
take_gate(struct judge *j, const struct haproxy_section *s)
{
	j->gate = s;
	j->engine = engine_of(s);
	j->shipped_gate = shipped_of(j, s);
}

static void
ask_judge_rule(
	struct judge *j, const struct judge_rule *rule, const struct haproxy_section *first)
{
	j->rule = rule;
	for (size_t i = 0; rule->each_gate && i < j->h->n; i++)
		if (engine_of(&j->h->section[i])) {
			take_gate(j, &j->h->section[i]);
			rule->judge(j);
		}
	if (first)
		take_gate(j, first);
	if (!rule->each_gate)
		rule->judge(j);
}

void
judge(const struct haproxy *h, const struct config *cfg, const struct policy *policy,
	struct judged *out)
{
	struct judge j = {
		.h = h, .cfg = cfg, .policy = policy, .out = out, .inner = inner_of(h)
	};
	const struct haproxy_section *first = NULL;

	*out = (struct judged){ .nerrors = 0 };
	buf_init(&out->errors, JUDGE_TEXT_BYTES);
	buf_init(&out->advice, JUDGE_TEXT_BYTES);
	for (size_t i = 0; i < h->n && !first; i++)
		if (engine_of(&h->section[i]))
			first = &h->section[i];
	j.inner_bind = j.inner ? inner_bind_of(j.inner) : NULL;
	j.bolt_on = !first || !j.inner || engine_of(j.inner) || is_own_inner(j.inner);
	read_pieces(&j);
	for (size_t i = 0; i < judge_rules_count; i++)
		ask_judge_rule(&j, &judge_rules[i], first);
	haproxy_free(&j.pieces);
}

void
judged_free(struct judged *j)
{
	buf_free(&j->errors);
	buf_free(&j->advice);
}
