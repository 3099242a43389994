/* Chooses frontends, hosts and backends for `tollgate init`: from the command line, or from the
 * files if they leave no doubt. Everything else becomes a question in l->choices, with the
 * options to repeat. */
#include <stdio.h>

#include "base/ascii.h"
#include "base/scoped.h"
#include "operator/edge/judge_private.h"
#include "operator/edge/lay.h"
#include "operator/edge/reach.h"

enum { LAY_MAP_BYTES = 4 << 20 };

/* Texts in a backend's name, in its servers or in its key's header that reveal its dialect. */
static const struct {
	const char *holds, *dialect;
} clues[] = {
	{ "bedrock", "bedrock" },
	{ "generativelanguage", "gemini" },
	{ "gemini", "gemini" },
	{ "aiplatform", "gemini" },
	{ "api.cohere.", "cohere" },
	{ "api.mistral.ai", "mistral" },
	{ "ollama", "ollama" },
	{ "anthropic", "anthropic" },
	{ "claude", "anthropic" },
	{ "openai", "openai" },
	{ "gpt", "openai" },
	{ "vllm", "openai" },
	{ "mistral", "openai" },
	{ "groq", "openai" },
};

static bool
lay_holds(struct span s, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + n <= s.n; i++)
		if (span_ieq(span_cut(s, i, i + n), span_of(text, n)))
			return true;
	return false;
}

static bool
servers_hold(const struct haproxy_section *s, const char *text)
{
	for (size_t k = 0; k < s->n; k++)
		if (span_starts(s->line[k].word[0], SPAN_LIT("server")) &&
			lay_holds(haproxy_word(&s->line[k], 2), text))
			return true;
	return false;
}

const char *
dialect_of_servers(const struct haproxy_section *s, bool by_name)
{
	for (size_t i = 0; i < COUNT_OF(clues); i++)
		if ((by_name && lay_holds(s->name, clues[i].holds)) ||
			servers_hold(s, clues[i].holds))
			return clues[i].dialect;
	return NULL;
}

static bool
serves_http(const struct haproxy_section *s)
{
	return is_front(s) && speaks_http(s);
}

static void
add_frontend(struct lay *l, const struct haproxy_section *s)
{
	for (size_t i = 0; i < l->nfront; i++)
		if (l->front[i] == s)
			return;
	if (l->nfront < LAY_FRONTENDS_MAX)
		l->front[l->nfront++] = s;
}

static const struct haproxy_section *
frontend_named(const struct haproxy *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (serves_http(&h->section[i]) && span_is(h->section[i].name, name))
			return &h->section[i];
	return NULL;
}

/* Chooses the frontends of --frontend and those that have a stanza; otherwise the only one that
 * speaks HTTP; otherwise asks. */
static void
choose_frontends(struct lay *l, const struct haproxy *h, const struct lay_wish *wish)
{
	const struct haproxy_section *only = NULL;
	const char *unknown = NULL;
	size_t n = 0;

	for (size_t i = 0; i < wish->nfrontend; i++) {
		const struct haproxy_section *s = frontend_named(h, wish->frontend[i]);
		if (s)
			add_frontend(l, s);
		else
			unknown = wish->frontend[i];
	}
	for (size_t i = 0; i < h->n; i++) {
		const struct haproxy_section *s = &h->section[i];
		if (!serves_http(s))
			continue;
		if (engine_of(s))
			add_frontend(l, s);
		only = s;
		n++;
	}
	if (l->nfront == 0 && n == 1 && !unknown)
		add_frontend(l, only);
	else if (n == 0)
		l->no_frontend = true;
	if (n == 0 || (!unknown && l->nfront))
		return;
	buf_printf(&l->choices, "--frontend %s: %s; these speak HTTP:\n",
		unknown ? unknown : "NAME",
		unknown ? "no such frontend" : "choose a frontend for the stanza");
	for (size_t i = 0; i < h->n; i++)
		if (serves_http(&h->section[i]))
			buf_printf(&l->choices, "    --frontend %s\n", h->section[i].name.p);
}

/* Returns true if a chosen frontend has no stanza yet. */
static bool
some_frontend_lacks_stanza(const struct lay *l)
{
	for (size_t i = 0; i < l->nfront; i++)
		if (!engine_of(l->front[i]))
			return true;
	return false;
}

/* Returns true if the text can be a Host field without port. *.name stands for all hosts below
 * `name`. */
static bool
is_host(struct span s)
{
	if (span_starts(s, SPAN_LIT("*.")))
		s = span_cut(s, 2, s.n);
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '_' &&
			!(i && (s.p[i] == '-' || s.p[i] == '.')))
			return false;
	return s.n > 0 && s.p[s.n - 1] != '.';
}

/* Adds the hosts that the frontend's ACLs name in full to host[], each once, after its first n
 * entries. Returns the new number. */
static size_t
hosts_of(const struct haproxy_section *s, struct span *host, size_t n, size_t most)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_line *line = &s->line[i];
		if (!span_is(line->word[0], "acl") ||
			!lay_holds(haproxy_word(line, 2), "hdr(host)") ||
			value_after(line, 3, "-m").n || value_after(line, 3, "-f").n)
			continue;
		for (size_t k = 3; k < line->n; k++) {
			struct span w = line->word[k];
			size_t at = 0;
			while (at < n && !span_ieq(host[at], w))
				at++;
			if (at == n && n < most && is_host(w))
				host[n++] = w;
		}
	}
	return n;
}

/* Takes the hosts from --host. Without it, the only host that the frontends name is taken; with
 * several or none, `choices` gets the question. */
static void
choose_host(struct lay *l, const struct lay_wish *wish)
{
	struct span host[16];
	size_t n = 0;

	for (size_t i = 0; i < wish->nhost; i++) {
		if (!is_host(span_str(wish->host[i])))
			buf_printf(&l->choices,
				"--host %s: use a host name without a port; *.example.com "
				"selects all hosts below example.com\n",
				wish->host[i]);
		l->host[l->nhost++] = wish->host[i];
	}
	l->nasked = l->nhost;
	if (l->nhost || !some_frontend_lacks_stanza(l))
		return;
	for (size_t i = 0; i < l->nfront; i++)
		if (!engine_of(l->front[i]))
			n = hosts_of(l->front[i], host, n, COUNT_OF(host));
	if (n == 1) {
		l->host[l->nhost++] = host[0].p;
		return;
	}
	buf_printf(&l->choices,
		"--host NAME: choose the hosts whose requests pass the gate%s\n",
		n ? "; the frontend names these hosts:" : "");
	for (size_t i = 0; i < n; i++)
		buf_printf(&l->choices, "    --host %s\n", host[i].p);
}

/* Returns true if tollgate.yaml and the policy accept the text as a name. */
static bool
is_lay_name(struct span s)
{
	if (span_ieq(s, SPAN_LIT("null")) || span_is(s, "~"))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_word(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	return s.n > 0 && s.n <= 64;
}

/* Returns true if the address is of this machine or of a private network: a Unix socket, an
 * address of RFC 1918, 4193 or 3927, or a name without a public domain. */
static bool
is_private_address(struct span address)
{
	static const char *const begins[] = { "/", "unix@", "127.", "10.", "192.168.", "169.254.",
		"[::1]", "[fc", "[fd", "::1", "fc", "fd" };
	static const char *const ends[] = { ".local", ".localhost", ".internal", ".lan", ".svc",
		".home.arpa" };
	struct span host = address, second;
	uint64_t n;

	for (size_t i = 0; i < COUNT_OF(begins); i++)
		if (span_istarts(address, span_str(begins[i])) &&
			(begins[i][0] != 'f' || span_chr(span_cut(address, 0, 5), ':') < 5))
			return true;
	if (span_starts(address, SPAN_LIT("172."))) {
		second = span_cut(address, 4, address.n);
		second = span_cut(second, 0, span_chr(second, '.'));
		return span_u64(second, &n) == 0 && n >= 16 && n <= 31;
	}
	host = span_cut(host, 0, span_chr(host, ':'));
	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (span_ends(host, span_str(ends[i])))
			return true;
	return host.n && span_chr(host, '.') == host.n;
}

static bool
has_private_servers(const struct haproxy_section *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		struct span first = s->line[i].word[0];
		if (!span_is(first, "server") && !span_is(first, "server-template"))
			continue;
		any = true;
		if (!is_private_address(
			    haproxy_word(&s->line[i], span_is(first, "server") ? 2 : 3)))
			return false;
	}
	return any;
}

/* Adds a backend. Returns false if there are too many, which is then the only question. */
static bool
add_backend(struct lay *l, const struct haproxy_section *s, const char *dialect)
{
	for (size_t i = 0; i < l->nbackend; i++)
		if (l->backend[i].section == s) {
			buf_printf(&l->choices,
				"--backend %s: this backend is named twice; "
				"name it once\n",
				s->name.p);
			return true;
		}
	if (!is_lay_name(s->name))
		buf_printf(&l->choices,
			"--backend %s: tollgate accepts names of 1 to 64 letters, digits, "
			"dots, dashes and underscores, except for null; rename the backend\n",
			s->name.p);
	if (l->nbackend == LAY_BACKENDS_MAX) {
		buf_clear(&l->choices);
		buf_printf(&l->choices,
			"more than %d backends hold a credential: repeat --backend "
			"NAME=DIALECT for those that the policy may name, at most %d; the "
			"others get the guard\n",
			LAY_BACKENDS_MAX, LAY_BACKENDS_MAX);
		return false;
	}
	l->backend[l->nbackend++] =
		(struct lay_backend){ .name = s->name.p,
			.dialect = dialect,
			.section = s,
			.internal = !credential_of(s) && has_private_servers(s) };
	return true;
}

/* Returns true for a backend, or a listen other than the gate, that has a server. */
static bool
may_be_provider(const struct lay *l, const struct haproxy_section *s)
{
	bool server = false;

	for (size_t i = 0; i < s->n; i++)
		server |= span_is(s->line[i].word[0], "server") ||
			  span_is(s->line[i].word[0], "server-template");
	for (size_t i = 0; i < l->nfront; i++)
		server &= s != l->front[i];
	return server && is_back(s) && !span_starts(s->name, SPAN_LIT("tollgate-"));
}

static void
ask_backend(struct lay *l, const struct haproxy *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (!may_be_provider(l, &h->section[i]))
			continue;
		if (n++ == 0)
			buf_str(&l->choices, "--backend NAME=DIALECT: choose the provider's "
					     "backend, because no backend sets a provider's "
					     "key; DIALECT is openai, anthropic or rest:\n");
		buf_printf(&l->choices, "    --backend %s=openai\n", h->section[i].name.p);
	}
	if (n == 0)
		buf_str(&l->choices,
			"no backend has a server: add a backend for the provider, with its "
			"key and server (docs/haproxy.md has an example)\n");
}

/* Returns the dialect of the first path of a known API that HAProxy's rules send to this backend
 * because of the path, or NULL. */
static const char *
dialect_of_rules(struct lay *l, const struct haproxy *h, const struct haproxy_section *s)
{
	static const struct {
		const char *path, *dialect;
	} rows[] = { { "/v1/chat/completions", "openai" }, { "/v1/completions", "openai" },
		{ "/v1/responses", "openai" }, { "/v1/embeddings", "openai" },
		{ "/v1/messages", "anthropic" } };
	const struct haproxy_line *by;

	for (size_t i = 0; i < l->nhost; i++)
		for (size_t k = 0; k < COUNT_OF(rows); k++)
			if (lay_sent_to(l, h, l->host[i], span_str(rows[k].path), &by) == s && by &&
				lay_reads_path(l, h, l->host[i], by))
				return rows[k].dialect;
	return NULL;
}

/* Returns true if a rule sends only certain paths of the gated hosts to this backend. */
static bool
has_paths_of_rules(struct lay *l, const struct haproxy *h, const struct haproxy_section *s)
{
	struct lay ways = { .arena = l->arena, .nhost = l->nhost, .nfront = l->nfront };
	bool some = false;

	memcpy(ways.host, l->host, sizeof(ways.host));
	memcpy(ways.front, l->front, sizeof(ways.front));
	lay_find_ways(&ways, h);
	for (size_t i = 0; i < ways.nway; i++) {
		const struct lay_way *w = &ways.way[i];
		if (w->back == s && !w->path.n && !w->end.n)
			return false;
		some |= w->back == s;
	}
	return some;
}

/* Adds the models without a key to which HAProxy's rules send requests of the gated hosts: by a
 * path of a known API, or by a name that reveals the dialect. */
static void
choose_models(struct lay *l, const struct haproxy *h)
{
	const struct haproxy_line *by;

	for (size_t i = 0; l->nbackend && i < h->n; i++) {
		const struct haproxy_section *s = &h->section[i];
		if (!may_be_provider(l, s) || credential_of(s) || lay_is_chosen(l, s) ||
			unguarded_by_wish(s))
			continue;
		const char *dialect = dialect_of_rules(l, h, s), *clue = dialect_of_servers(s, true);
		bool sent = dialect != NULL;
		for (size_t k = 0; clue && !sent && k < l->nhost; k++)
			sent = lay_sent_to(l, h, l->host[k], SPAN_LIT(""), &by) == s ||
			       has_paths_of_rules(l, h, s);
		if (sent)
			add_backend(l, s, clue && !dialect ? clue : dialect);
	}
}

/* Takes the backends from --backend. Without it, each backend with a credential is taken if its
 * servers' addresses reveal the dialect (api.openai.com, for example); otherwise `choices` gets
 * the question. */
static void
choose_backends(struct lay *l, const struct haproxy *h, const struct lay_wish *wish)
{
	for (size_t i = 0; i < wish->nbackend; i++) {
		const struct haproxy_section *s =
			backend_named(h, span_str(wish->backend[i].name));
		if (s)
			add_backend(l, s, wish->backend[i].dialect);
		else
			buf_printf(&l->choices,
				"--backend %s: HAProxy's files have no such "
				"backend; correct the name\n",
				wish->backend[i].name);
	}
	for (size_t i = 0; wish->nbackend == 0 && i < h->n; i++) {
		const struct haproxy_section *s = &h->section[i];
		if (!is_back(s) || span_starts(s->name, SPAN_LIT("tollgate-")) ||
			!credential_of(s))
			continue;
		const char *dialect = dialect_of_servers(s, true);
		if (!dialect)
			dialect = dialect_of_rules(l, h, s);
		/* only a new policy needs the dialect */
		if (!dialect && (wish->has_policy || has_paths_of_rules(l, h, s)))
			dialect = "rest";
		if (dialect && !add_backend(l, s, dialect))
			return;
		if (!dialect)
			buf_printf(&l->choices,
				"--backend %s=DIALECT: this backend holds a credential (line "
				"%u), and its servers do not reveal their dialect; choose "
				"openai, anthropic or rest\n",
				s->name.p, credential_of(s)->line);
	}
	if (!l->nbackend && !l->choices.n)
		ask_backend(l, h);
	choose_models(l, h);
}

/* Asks about rules that read more than host and path, because the policy cannot repeat them. */
static void
ask_unsure(struct lay *l, const struct lay_wish *wish)
{
	if (!l->nunsure || wish->policy_routes || !some_frontend_lacks_stanza(l))
		return;
	buf_str(&l->choices,
		"--policy-routes: these rules route requests of the gated hosts by more than host "
		"and path, which the policy does not repeat. Move them to other hosts, or give "
		"--policy-routes: then they do not apply to requests that pass the gate, which are "
		"sent where the policy's routes lead:\n");
	for (size_t i = 0; i < l->nunsure; i++)
		buf_printf(&l->choices, "    %s:%u: %.*s\n", l->unsure[i]->file,
			l->unsure[i]->line, SPAN_ARG(span_trim(l->unsure[i]->source, " \t\r")));
}

/* A `listen` section cannot be the gate and a provider's backend, because its guard would run
 * before the stanza. */
static void
refuse_both(struct lay *l, const struct haproxy_section *s)
{
	const struct haproxy_line *key = credential_of(s);

	if (engine_of(s) || s->kind != HAPROXY_LISTEN || !(key || lay_is_chosen(l, s)))
		return;
	buf_printf(&l->choices, "listen %s accepts clients and ", s->name.p);
	if (key)
		buf_printf(&l->choices, "holds a credential (line %u)", key->line);
	else
		buf_str(&l->choices, "is a provider's backend");
	buf_str(&l->choices,
		": split it into a frontend and a backend, with the key in the backend\n");
}

/* ---- other ways to backends that get the guard ---- */

/* Returns true if requests for this host pass the gate. */
static bool
host_passes(const struct lay *l, struct span host)
{
	for (size_t i = 0; i < l->nhost; i++) {
		struct span own = span_str(l->host[i]);
		bool below = span_starts(own, SPAN_LIT("*."));
		struct span end = span_cut(own, below, own.n);
		if (span_ieq(own, host) ||
			(below && host.n > end.n &&
				span_ieq(span_cut(host, host.n - end.n, host.n), end)))
			return true;
	}
	return false;
}

bool
lay_gates_host(const struct haproxy_section *s, struct span host)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	bool some = false;

	while ((l = haproxy_next(&w))) {
		if (!haproxy_begins(l, "acl", "tollgate"))
			continue;
		bool names = lay_holds(haproxy_word(l, 2), "hdr(host)"), below = false;
		for (size_t i = 3; i < l->n; i++) {
			struct span word = l->word[i], end = host;
			if (span_is(word, "-m"))
				below = span_is(haproxy_word(l, ++i), "end");
			else if (span_starts(word, SPAN_LIT("-")))
				names &= span_is(word, "-i");
			else if (below && host.n > word.n)
				end = span_cut(host, host.n - word.n, host.n);
			if (span_ieq(word, end))
				return true;
		}
		if (!names)
			return true;
		some = true;
	}
	return !some;
}

bool
lay_some_gate_has(const struct haproxy *h, struct span host)
{
	bool some = false;

	for (size_t i = 0; i < h->n; i++) {
		if (engine_of(&h->section[i]) && lay_gates_host(&h->section[i], host))
			return true;
		some |= engine_of(&h->section[i]) != NULL;
	}
	return !some;
}

/* The question that ask_others() collects; each host is listed once. */
struct others {
	struct lay *l;
	struct buf asked;
	struct span host[LAY_HOSTS_MAX];
	size_t n;
};

static void
ask_host(struct others *o, struct span host, const struct haproxy_line *at, struct span back)
{
	for (size_t i = 0; i < o->n; i++)
		if (span_ieq(o->host[i], host))
			return;
	if (host_passes(o->l, host) || o->n == COUNT_OF(o->host))
		return;
	o->host[o->n++] = host;
	buf_printf(&o->asked, "    --host %.*s    (%s:%u: to backend %.*s)\n", SPAN_ARG(host),
		at->file, at->line, SPAN_ARG(back));
}

/* Lists the hosts that a map leads to this backend: the first word of each line whose rest is
 * the backend's name. Returns false if the map cannot be read or does not map hosts. */
static bool
ask_map(struct others *o, const struct haproxy_line *l, const struct haproxy_section *back)
{
	struct span made = haproxy_word(l, 1);
	char file[MAP_FILE_BYTES];

	if (!map_file(made, file) || !lay_holds(made, "hdr(host)"))
		return false;
	SCOPED_BUF(text, LAY_MAP_BYTES);
	if (!buf_file(&text, file))
		return false;
	for (struct span rest = buf_view(&text); rest.n;) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r"), host;
		size_t n = 0;
		while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
			n++;
		host = span_cut(line, 0, n);
		line = span_trim(span_cut(line, host.n, line.n), " \t");
		if (span_eq(line, back->name) && is_host(host))
			ask_host(o, arena_dup(o->l->arena, host), l, back->name);
	}
	return true;
}

/* Lists the hosts that this line leads to the backend, by name or by a computed name. */
static void
ask_line(struct others *o, const struct haproxy_section *front, const struct haproxy_line *l,
	const struct haproxy_section *back)
{
	struct span to = haproxy_word(l, 1), host[LAY_HOSTS_MAX];
	bool made = to.n && memmem(to.p, to.n, "%[", 2) != NULL, all;
	size_t n;

	if (l->negated ||
		!(span_is(l->word[0], "use_backend") || span_is(l->word[0], "default_backend")))
		return;
	if (made ? !may_make(to, back->name) || ask_map(o, l, back) : !span_eq(to, back->name))
		return;
	n = hosts_of_condition(front, l, host, COUNT_OF(host), &all);
	for (size_t i = 0; i < n; i++)
		ask_host(o, host[i], l, back->name);
	if (!all)
		buf_printf(&o->asked,
			"    %s:%u: other hosts of frontend %s, which this line sends to "
			"backend %s\n",
			l->file, l->line, front->name.p, back->name.p);
}

/* Asks about requests that would get 503 from a new guard. The operator repeats --host or
 * --frontend for those that should pass the gate, or accepts the 503 with --close-others. */
static void
ask_others(struct lay *l, const struct haproxy *h, const struct lay_wish *wish)
{
	struct others o = { .l = l };

	if (wish->close_others || !some_frontend_lacks_stanza(l) || l->choices.n)
		return;
	buf_init(&o.asked, 1 << 20);
	for (size_t i = 0; i < h->n; i++)
		for (size_t k = 0; k < h->n && is_front(&h->section[i]); k++) {
			const struct haproxy_section *front = &h->section[i];
			const struct haproxy_section *back = &h->section[k];
			struct haproxy_walk w = haproxy_walk(front);
			const struct haproxy_line *line;
			bool gate = false;
			if (!lay_guards(l, back) || front == back || answers_all(front) ||
				(inner_bind_of(front) && !engine_of(front)))
				continue;
			for (size_t f = 0; f < l->nfront; f++)
				gate |= l->front[f] == front;
			if (gate)
				while ((line = haproxy_next(&w)))
					ask_line(&o, front, line, back);
			else if ((line = way_to(front, back)))
				buf_printf(&o.asked,
					"    --frontend %s    (%s:%u: to backend %s)\n",
					front->name.p, line->file, line->line, back->name.p);
		}
	if (o.asked.n)
		buf_printf(&l->choices,
			"these requests also lead to a backend that gets the guard, and the "
			"guard answers 503 to requests that did not pass the gate. Repeat "
			"--host or --frontend for requests that should pass the gate, give "
			"the others a backend of their own, or accept the 503 with "
			"--close-others:\n%.*s",
			SPAN_ARG(buf_view(&o.asked)));
	buf_free(&o.asked);
}

/* A frontend that answers every request itself, such as a redirect on port 80, gets no stanza.
 * At least one other frontend must remain. */
static void
note_own_answers(struct lay *l)
{
	const struct haproxy_line *by = NULL;
	bool left = l->nfront == 0;

	for (size_t i = 0; i < l->nfront; i++) {
		const struct haproxy_section *s = l->front[i];
		const struct haproxy_line *own = engine_of(s) ? NULL : answers_all(s);
		left |= !own;
		by = own ? own : by;
		if (own)
			buf_printf(&l->notes,
				"%s:%u: this line answers every request of frontend %s, so "
				"the frontend gets no stanza\n",
				own->file, own->line, s->name.p);
	}
	if (!left && by)
		buf_printf(&l->choices,
			"%s:%u: this line answers every request of its frontend, and no other "
			"frontend is chosen: choose the one that serves with --frontend "
			"NAME\n",
			by->file, by->line);
}

/* Determines how HAProxy finds the daemon's sockets. Inside a chroot that contains their folder,
 * and without a chroot, the path in tollgate.cfg is set. Another chroot cannot contain that
 * folder, so the daemon's sockets are moved into the chroot. */
static void
choose_sockets(struct lay *l, const struct haproxy *h)
{
	struct span folder = SPAN_LIT(SOCKETS_FOLDER), c = global_value(h, "chroot");

	while (c.n && c.p[c.n - 1] == '/')
		c.n--;
	if (!span_starts(folder, c) || folder.p[c.n] != '/') {
		l->moved = arena_printf(l->arena, "%.*s" SOCKETS_IN_CHROOT, SPAN_ARG(c)).p;
		return;
	}
	if (!span_is(span_cut(folder, c.n, folder.n), SOCKETS_IN_CHROOT))
		l->sockets = folder.p + c.n;
}

/* Notes what an existing policy needs for hosts and backends that the gate did not have before. */
static void
note_new(struct lay *l, const struct haproxy *h)
{
	for (size_t i = 0; i < l->nasked; i++) {
		bool is_new = false;
		for (size_t k = 0; k < l->nfront; k++)
			is_new |= !lay_gates_host(l->front[k], span_str(l->host[i]));
		if (is_new)
			buf_printf(&l->notes,
				"requests of %s pass the gate from now on, and the routes of the "
				"policy decide where they are sent: add the routes that are "
				"missing\n",
				l->host[i]);
	}
	for (size_t i = 0; i < h->n; i++)
		if (lay_guards(l, &h->section[i]) && !reach_guard(&h->section[i]))
			buf_printf(&l->notes,
				"backend %s gets the guard: to send requests there, add it to "
				"`backends` in /etc/tollgate/tollgate.yaml, and to `providers` "
				"and `targets` in the policy\n",
				h->section[i].name.p);
}

void
lay_choose(struct lay *l, const struct haproxy *h, const struct lay_wish *wish, struct arena *a)
{
	*l = (struct lay){ .arena = a };
	buf_init(&l->choices, 1 << 20);
	buf_init(&l->notes, 64 << 10);
	choose_frontends(l, h, wish);
	if (l->no_frontend) {
		buf_str(&l->choices, "no frontend speaks HTTP (mode http): add one, or begin "
				     "with the complete example in docs/haproxy.md\n");
		return;
	}
	choose_host(l, wish);
	choose_backends(l, h, wish);
	for (size_t i = 0; i < l->nfront; i++)
		refuse_both(l, l->front[i]);
	note_own_answers(l);
	ask_others(l, h, wish);
	lay_find_ways(l, h);
	lay_find_routes(l, h);
	ask_unsure(l, wish);
	if (wish->has_policy)
		note_new(l, h);
	else if (lay_no_route(l))
		buf_printf(&l->notes,
			"/etc/tollgate/default.yaml: tollgate does not know the paths of %s, "
			"so every request gets 404 until you add them to `routes`\n",
			l->backend[0].name);
	for (size_t i = 0; !wish->has_policy && i < l->nbackend; i++)
		if (!lay_has_route(l, i))
			buf_printf(&l->notes,
				"/etc/tollgate/default.yaml: no route leads to backend %s: "
				"add it to the `targets` of a route, or add a route\n",
				l->backend[i].name);
	choose_sockets(l, h);
}

void
lay_free(struct lay *l)
{
	buf_free(&l->choices);
	buf_free(&l->notes);
}
