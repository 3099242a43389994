/* Reads sockets, hosts and answering rules of a frontend from HAProxy's files, for `tollgate
 * check --probe`. */
#include "operator/edge/reach.h"

#include "base/ascii.h"
#include "base/scoped.h"
#include "operator/edge/judge_private.h"

enum { HOSTS_FILE_BYTES = 1 << 20, RULES_SAID = 4 };

/* ---- sockets ---- */

static bool
bind_has_word(const struct haproxy_line *l, const char *word)
{
	for (size_t i = 2; i < l->n; i++)
		if (span_is(l->word[i], word))
			return true;
	return false;
}

static void
place_kind(struct reach_place *p)
{
	const struct haproxy_line *l = p->bind;
	struct span alpn = last_value(l, "alpn"), verify = last_value(l, "verify");

	p->tls = bind_has_word(l, "ssl");
	p->proxied = bind_has_word(l, "accept-proxy");
	p->http2 = span_is(last_value(l, "proto"), "h2") || (p->tls && span_is(alpn, "h2"));
	if (span_is(verify, "required"))
		p->no = "the socket requires a client certificate";
	else if (bind_has_word(l, "accept-netscaler-cip"))
		p->no = "the socket expects a NetScaler header";
}

/* Parses "[FAMILY@][ADDRESS]:PORT[-PORT]" or a path. Returns false if a client cannot connect
 * there by an address. */
static bool
place_address(struct span text, struct arena *a, struct reach_place *p)
{
	static const char *const families[] = { "ipv4@", "ipv6@", "quic4@", "quic6@" };
	static const char *const any[] = { "", "*", "0.0.0.0" };
	static const char *const any6[] = { "::", "[::]" };
	bool six =
		span_starts(text, SPAN_LIT("ipv6@")) || span_starts(text, SPAN_LIT("quic6@"));
	uint64_t port;

	if (span_starts(text, SPAN_LIT("quic")))
		p->no = "the socket is a QUIC socket";
	for (size_t i = 0; i < COUNT_OF(families); i++)
		if (span_starts(text, span_str(families[i])))
			text = span_cut(text, strlen(families[i]), text.n);
	if (span_starts(text, SPAN_LIT("unix@")))
		text = span_cut(text, 5, text.n);
	if (text.n && *text.p == '/') {
		p->address = arena_dup(a, text).p;
		return true;
	}
	size_t at = text.n;
	while (at && text.p[at - 1] != ':')
		at--;
	struct span host = span_cut(text, 0, at ? at - 1 : 0),
		    ports = span_cut(text, at, text.n);
	if (!at || memchr(host.p ? host.p : "", '@', host.n) ||
		span_u64(span_cut(ports, 0, span_chr(ports, '-')), &port) != 0 || port == 0 ||
		port > 65535)
		return false;
	p->port = (unsigned)port;
	if (SPAN_IN(host, any6) || (six && SPAN_IN(host, any)))
		p->address = "[::1]";
	else if (SPAN_IN(host, any))
		p->address = "127.0.0.1";
	else if (*host.p != '[' && memchr(host.p, ':', host.n))
		p->address = arena_printf(a, "[%.*s]", SPAN_ARG(host)).p;
	else
		p->address = arena_dup(a, host).p;
	/* For a socket of both families, use IPv4, which every machine has. */
	if (SPAN_IN(host, any6) && bind_has_word(p->bind, "v4v6"))
		p->address = "127.0.0.1";
	return true;
}

/* Returns true if the section sends some of its connections to the backend. */
static bool
connects_to(const struct haproxy_section *s, const struct haproxy_section *back)
{
	if (s == back)
		return s->kind == HAPROXY_LISTEN;
	for (size_t i = 0; i < s->n; i++)
		if ((span_is(s->line[i].word[0], "default_backend") ||
			    span_is(s->line[i].word[0], "use_backend")) &&
			span_eq(haproxy_word(&s->line[i], 1), back->name))
			return true;
	return false;
}

static bool
has_server_at(const struct haproxy_section *s, struct span address)
{
	for (size_t i = 0; i < s->n; i++)
		if (span_is(s->line[i].word[0], "server") &&
			span_eq(haproxy_word(&s->line[i], 2), address))
			return true;
	return false;
}

/* Adds the sockets of the tcp frontends whose connections HAProxy itself passes on to this
 * address, as in `bind abns@web`, to which no client can connect. */
static size_t
places_before(const struct haproxy *h, const struct reach_place *to, struct span address,
	struct arena *a, struct reach_place out[], size_t most)
{
	size_t n = 0;

	for (size_t b = 0; b < h->n; b++) {
		if (!has_server_at(&h->section[b], address))
			continue;
		for (size_t f = 0; f < h->n; f++) {
			const struct haproxy_section *s = &h->section[f];
			if (speaks_http(s) || !connects_to(s, &h->section[b]))
				continue;
			for (size_t i = 0; i < s->n; i++) {
				struct reach_place outer = { .bind = &s->line[i] };
				struct span rest = haproxy_word(outer.bind, 1);
				if (!span_is(outer.bind->word[0], "bind") ||
					outer.bind->negated)
					continue;
				place_kind(&outer);
				while (rest.n && n < most) {
					out[n] = *to;
					out[n].tls |= outer.tls;
					out[n].proxied = outer.proxied;
					if (outer.no)
						out[n].no = outer.no;
					n += place_address(span_next(&rest, ','), a, &out[n]);
				}
			}
		}
	}
	return n;
}

size_t
reach_places(const struct haproxy *h, const struct haproxy_section *s, struct arena *a,
	struct reach_place out[], size_t most)
{
	const struct haproxy_line *inner = inner_bind_of(s);
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_line *l = &s->line[i];
		if (!span_is(l->word[0], "bind") || l == inner || l->negated)
			continue;
		for (struct span rest = haproxy_word(l, 1); rest.n && n < most;) {
			struct span one = span_next(&rest, ',');
			out[n] = (struct reach_place){ .front = s, .bind = l };
			place_kind(&out[n]);
			if (place_address(one, a, &out[n]))
				n++;
			else {
				const struct reach_place to = out[n];
				n += places_before(h, &to, one, a, out + n, most - n);
			}
		}
	}
	return n;
}

/* ---- hosts ---- */

static void
add_reach_host(struct arena *a, struct span host, const char *out[], size_t most, size_t *n)
{
	struct span copy = arena_dup(a, host);

	for (size_t i = 0; i < *n; i++)
		if (span_ieq(host, span_str(out[i])))
			return;
	if (*n == most || !copy.p || !host.n)
		return;
	ascii_lower((char *)copy.p, copy.n);
	out[(*n)++] = copy.p;
}

static void
hosts_of_file(struct arena *a, struct span file, const char *out[], size_t most, size_t *n)
{
	SCOPED_BUF(text, HOSTS_FILE_BYTES);
	if (!buf_file(&text, arena_dup(a, file).p))
		return;
	for (struct span rest = buf_view(&text); rest.n;) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (line.n && *line.p != '#')
			add_reach_host(a, line, out, most, n);
	}
}

static bool
tests_host(const struct haproxy_line *l)
{
	static const char *const words[] = { "host", "sni", "var(" };
	struct span test = haproxy_word(l, 2);

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (memmem(test.p, test.n, words[i], strlen(words[i])))
			return true;
	return false;
}

/* Returns true if the ACL compares its patterns with the whole value, as "hdr(host)" does and
 * "hdr_beg(host)", "-m end" and maps do not. */
static bool
compares_whole(const struct haproxy_line *l)
{
	struct span test = haproxy_word(l, 2);

	if (memmem(test.p, test.n, "hdr_", 4) || memmem(test.p, test.n, "map", 3) ||
		memmem(test.p, test.n, "ssl_fc_sni_", 11))
		return false;
	struct span how = value_after(l, 3, "-m");
	return !how.n || span_is(how, "str");
}

/* Reads the `acl tollgate` lines. For example, `acl tollgate hdr(host) -i ai.example.com` adds
 * ai.example.com. An ACL that tests something else sets *all; one that compares only a part of
 * the host sets *unknown. */
size_t
reach_hosts(const struct haproxy_section *s, struct arena *a, const char *out[], size_t most,
	bool *all, bool *unknown)
{
	size_t n = 0;

	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	bool any = false;

	*all = *unknown = false;
	while ((l = haproxy_next(&w))) {
		if (!haproxy_begins(l, "acl", "tollgate"))
			continue;
		any = true;
		if (!tests_host(l)) {
			*all = true;
			continue;
		}
		if (!compares_whole(l)) {
			*unknown = true;
			continue;
		}
		for (size_t k = 3; k < l->n; k++) {
			if (span_is(l->word[k], "-f") && k + 1 < l->n)
				hosts_of_file(a, l->word[++k], out, most, &n);
			else if (span_is(l->word[k], "-m") || span_is(l->word[k], "-u"))
				k++;
			else if (l->word[k].n && *l->word[k].p != '-')
				add_reach_host(a, l->word[k], out, most, &n);
		}
	}
	/* the complete example has no ACL: every request of the frontend passes */
	*all |= !any;
	return n;
}

/* Returns true if the ACL has this pattern. */
static bool
acl_has(const struct haproxy_line *l, struct span value)
{
	for (size_t i = 3; i < l->n; i++)
		if (span_eq(l->word[i], value))
			return true;
	return false;
}

bool
reach_passes(const struct reach_place *p)
{
	struct haproxy_walk w = haproxy_walk(p->front);
	const struct haproxy_line *l;
	bool passes = false, any = false;
	char port[SPAN_DECIMAL + 1];
	size_t n = span_decimal(port, p->port);

	while ((l = haproxy_next(&w))) {
		struct span test = haproxy_word(l, 2);
		if (!haproxy_begins(l, "acl", "tollgate"))
			continue;
		any = true;
		passes |= span_is(test, "so_name")    ? acl_has(l, last_value(p->bind, "name"))
			  : span_is(test, "dst_port") ? acl_has(l, span_of(port, n))
						      : true;
	}
	return passes || !any;
}

/* ---- sections ---- */

bool
reach_is_gate(const struct haproxy_section *s)
{
	return engine_of(s) != NULL;
}

const struct haproxy_line *
reach_answers_all(const struct haproxy_section *s)
{
	return is_front(s) ? answers_all(s) : NULL;
}

const struct haproxy_line *
reach_guard(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;

	while ((l = haproxy_next(&w)))
		for (size_t i = 2; i < l->n && span_is(l->word[0], "http-request"); i++)
			if (span_is(l->word[i], "var(txn.tollgate.decision)"))
				return l;
	return NULL;
}

/* ---- rules ---- */

/* Returns true if the rule may redirect to `location`. Only the literal beginning of a computed
 * location can be compared. */
static bool
may_send_to(const struct haproxy_line *l, struct span location)
{
	static const char *const words[] = { "location", "prefix", "scheme" };
	bool redirect =
		span_is(l->word[0], "redirect") || span_is(haproxy_word(l, 1), "redirect");

	for (size_t i = 0; redirect && i < COUNT_OF(words); i++) {
		struct span to = value_after(l, 1, words[i]);
		to = span_cut(to, 0, span_chr(to, '%'));
		if (to.n && !span_istarts(location, to))
			return false;
	}
	return redirect == (location.n != 0);
}

/* Returns true for a line of the stanza or of a guard. */
static bool
is_tollgates(const struct haproxy_line *l)
{
	return line_holds(l, "txn.tollgate") || condition_requires(NULL, l, GATED) ||
	       line_holds(l, "x-tollgate-");
}

size_t
reach_rules(const struct haproxy_section *s, int status, struct span location, bool second,
	struct buf *out)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	size_t n = 0;

	while ((l = haproxy_next(&w))) {
		if (l->negated || !rule_answers(l) || rule_status(l) != status ||
			!may_send_to(l, location) || is_tollgates(l) ||
			condition_excludes(s, l, second ? INNER : GATED))
			continue;
		if (n < RULES_SAID)
			buf_printf(out, "%s%s:%u", n ? " or " : "", l->file, l->line);
		n++;
	}
	return n;
}
