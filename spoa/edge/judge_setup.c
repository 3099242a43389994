/* What is around the stanza: the shipped files, sockets, times, sizes, versions. */
#include <stdio.h>
#include <sys/stat.h>

#include "edge/judge_private.h"

/* ---- the shipped files ---- */

static const char *const our_backends[] = { "tollgate-agent", "tollgate-relay",
	"tollgate-deny" };

void
rule_shipped_missing(struct judge *j)
{
	for (size_t i = 0; i < COUNT_OF(our_backends); i++)
		if (!backend_named(j->h, span_str(our_backends[i]))) {
			found(j, j->engine,
				"EXTRAOPTS=\"-S /run/haproxy-master.sock -f "
				"/etc/haproxy/tollgate/tollgate.cfg\"",
				"backend %s is in none of these files: HAProxy loads "
				"/etc/haproxy/tollgate/tollgate.cfg too (Debian: in "
				"/etc/default/haproxy), and so must this check",
				our_backends[i]);
			return;
		}
}

/* Lines that a person may write otherwise: where a daemon is. */
static bool
is_place(const struct haproxy_line *l)
{
	return span_is(l->word[0], "server") || span_is(l->word[0], "use-server") ||
	       span_is(l->word[0], "timeout") || span_is(l->word[0], "errorfile");
}

static void
compare_backend(
	struct judge *j, const struct haproxy_section *s, const struct haproxy_section *want)
{
	for (size_t i = 0; i < want->n; i++)
		if (!is_place(&want->line[i]) && !find_line(s, &want->line[i])) {
			found(j, s->head, NULL,
				"%.*s is not that of this version of tollgate (it lacks "
				"`%.*s`): "
				"copy share/tollgate/haproxy/tollgate.cfg anew",
				SPAN_ARG(s->name),
				SPAN_ARG(span_cut(
					span_trim(want->line[i].source, " \t"), 0, 60)));
			return;
		}
}

/* The engine's file as one section, comments aside: as the filter line names it, or beside the
 * file that names it, before it is installed. False: it cannot be read. */
static bool
read_engine(const struct judge *j, struct haproxy *spoe)
{
	struct span file = j->engine ? value_after(j->engine, 2, "config") : span_of("", 0);
	const char *slash = file.n ? strrchr(file.p, '/') : NULL;
	const char *beside = j->engine ? strrchr(j->engine->file, '/') : NULL;
	char path[4096] = "";

	haproxy_init(spoe);
	haproxy_read_text(spoe, "spoe.cfg", SPAN_LIT("resolvers spoe\n"));
	if (file.n && haproxy_read(spoe, file.p) == 0)
		return true;
	if (slash && beside)
		snprintf(path, sizeof(path), "%.*s%s", (int)(beside - j->engine->file),
			j->engine->file, slash);
	return *path && haproxy_read(spoe, path) == 0;
}

static void
compare_engine(struct judge *j)
{
	struct haproxy mine, ours;

	if (!j->engine)
		return;
	haproxy_init(&ours);
	haproxy_read_text(&ours, "spoe.cfg", SPAN_LIT("resolvers spoe\n"));
	haproxy_read_text(&ours, "spoe.cfg", shipped("haproxy/spoe.cfg"));
	if (!read_engine(j, &mine))
		found(j, j->engine, NULL, "%s cannot be read here",
			value_after(j->engine, 2, "config").p);
	for (size_t i = 0; mine.section[0].n && i < ours.section[0].n; i++) {
		const struct haproxy_line *l = &ours.section[0].line[i];
		if (is_place(l) || find_line(&mine.section[0], l))
			continue;
		found(j, &mine.section[0].line[0], NULL,
			"this is not the SPOE file of this version of tollgate (it lacks "
			"`%.*s`): "
			"copy share/tollgate/haproxy/spoe.cfg anew",
			SPAN_ARG(span_cut(span_trim(l->source, " \t"), 0, 60)));
		break;
	}
	haproxy_free(&mine);
	haproxy_free(&ours);
}

void
rule_shipped_differs(struct judge *j)
{
	for (size_t i = 0; i < COUNT_OF(our_backends); i++) {
		struct span name = span_str(our_backends[i]);
		const struct haproxy_section *s = backend_named(j->h, name);
		const struct haproxy_section *want = backend_named(&j->pieces, name);
		if (s && want)
			compare_backend(j, s, want);
	}
	for (size_t i = 0; j->gate && j->shipped_gate && i < j->shipped_gate->n; i++) {
		const struct haproxy_line *want = &j->shipped_gate->line[i];
		if (span_is(want->word[0], "http-after-response") &&
			!find_line(j->gate, want)) {
			char paste[4096];
			snprintf(paste, sizeof(paste), "%.*s", SPAN_ARG(want->source));
			found(j, j->gate->head, paste,
				"callers are not told what the stanza of this version tells "
				"them");
			break;
		}
	}
	compare_engine(j);
}

/* ---- the gate's frontend ---- */

void
rule_gate_mode(struct judge *j)
{
	const struct haproxy_line *mode = j->gate ? haproxy_last(j->gate, "mode", NULL) : NULL;

	if (j->gate && (!mode || !span_is(haproxy_word(mode, 1), "http")))
		found(j, mode ? mode : j->gate->head, "mode http",
			"%.*s does not speak HTTP: no request of it is read",
			SPAN_ARG(j->gate->name));
}

void
rule_http_no_delay(struct judge *j)
{
	const struct haproxy_section *const fronts[] = { j->gate, j->inner };

	for (size_t i = 0; i < COUNT_OF(fronts); i++)
		if (fronts[i] && (i == 0 || fronts[i] != fronts[0]) &&
			!haproxy_option(fronts[i], "http-no-delay"))
			found(j, fronts[i]->head, "option http-no-delay",
				"without it the tokens of a stream come in bursts of 300 ms");
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

/* The guards trust the name: whoever comes in by such a bind has passed the gate. */
static void
judge_namesakes(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++)
		for (size_t k = 0; k < j->h->section[i].n; k++) {
			const struct haproxy_line *l = &j->h->section[i].line[k];
			if (l != j->inner_bind && span_is(l->word[0], "bind") &&
				span_is(value_after(l, 2, "name"), "tollgate-inner"))
				found(j, l, NULL,
					"a second bind of the name tollgate-inner: the guards "
					"let "
					"in whoever comes by it; give it another name");
		}
}

void
rule_inner_bind(struct judge *j)
{
	judge_namesakes(j);
	static const char line[] = "bind unix@/run/tollgate/inner.sock mode 660 user haproxy "
				   "group tollgate name tollgate-inner";
	const struct haproxy_line *l = j->inner_bind;
	struct span path, mode;

	if (!l) {
		if (j->gate && (!j->cfg || j->cfg->relay))
			found(j, j->gate->head, line,
				"no bind is named tollgate-inner: the relay cannot hand a "
				"request "
				"back");
		return;
	}
	if (!unix_path(haproxy_word(l, 1), &path)) {
		found(j, l, line,
			"this bind skips inspection: on %.*s anybody local reaches it; it is a "
			"unix socket, never abstract, never TCP",
			SPAN_ARG(haproxy_word(l, 1)));
		return;
	}
	mode = value_after(l, 2, "mode");
	if (!mode.n || !(span_is(mode, "660") || span_is(mode, "0660") ||
			       span_is(mode, "600") || span_is(mode, "0600")))
		found(j, l, line,
			"this bind skips inspection and its mode is %.*s: whoever can write to "
			"it "
			"reaches the provider unread; 660 at most",
			SPAN_ARG(mode.n ? mode : SPAN_LIT("not said (the umask's)")));
	if (j->cfg && j->cfg->relay && j->cfg->relay_egress.path &&
		!span_is(path, j->cfg->relay_egress.path))
		found(j, l, line, "the relay connects to %s (relay.egress of %s)",
			j->cfg->relay_egress.path, j->cfg->file);
}

/* The unix sockets of a backend's servers, outside the chroot. */
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
			"HAProxy connects to %s (servers are found inside the chroot, here "
			"\"%.*s\"), and %s of %s is %s: set that to unix@%s",
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

/* ---- times ---- */

static bool
timeout_of(const struct haproxy_section *s, const char *which, uint64_t *us,
	const struct haproxy_line **at)
{
	*at = s ? haproxy_last(s, "timeout", which) : NULL;
	return *at && haproxy_time(haproxy_word(*at, 2), us);
}

/* `timeout processing` of the engine's file. */
static void
judge_processing(struct judge *j)
{
	const struct haproxy_line *at;
	struct haproxy spoe;
	uint64_t us;

	if (read_engine(j, &spoe) && timeout_of(&spoe.section[0], "processing", &us, &at) &&
		us <= j->cfg->agent_deadline_us)
		found(j, at, "timeout processing 1s",
			"HAProxy gives up before tollgate has decided: agent.deadline of %s is "
			"%llu ms, and must be less",
			j->cfg->file, (unsigned long long)(j->cfg->agent_deadline_us / 1000));
	haproxy_free(&spoe);
}

void
rule_deadlines(struct judge *j)
{
	const struct haproxy_section *relay = backend_named(j->h, SPAN_LIT("tollgate-relay"));
	const struct haproxy_line *at;
	uint64_t us;

	if (!j->cfg)
		return;
	judge_processing(j);
	if (timeout_of(relay, "queue", &us, &at) && us >= j->cfg->ticket_ttl_us)
		found(j, at, "timeout queue 4s",
			"a request that waits this long finds its decision gone: "
			"relay.ticket_ttl "
			"of %s is %llu s, and must be more",
			j->cfg->file, (unsigned long long)(j->cfg->ticket_ttl_us / 1000000));
	if (timeout_of(relay, "server", &us, &at) && us < j->cfg->relay_response_us)
		found(j, at, "timeout server 15m",
			"HAProxy gives up while the relay still waits for the provider: "
			"relay.response_timeout of %s is %llu s, and must be less",
			j->cfg->file,
			(unsigned long long)(j->cfg->relay_response_us / 1000000));
}

#define MODEL_US (UINT64_C(300) * 1000000)

void
rule_provider_timeouts(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *at;
		uint64_t us;
		if (!is_provider(j, s) || !timeout_of(s, "server", &us, &at))
			continue;
		if (us < MODEL_US)
			found(j, at, "timeout server 10m",
				"%.*s: a model may think for minutes; this turns that into a "
				"504",
				SPAN_ARG(s->name));
		else if (j->cfg && j->cfg->relay && us > j->cfg->relay_response_us)
			found(j, at, "timeout server 10m",
				"%.*s: the relay gives up sooner: relay.response_timeout of %s "
				"is "
				"%llu s",
				SPAN_ARG(s->name), j->cfg->file,
				(unsigned long long)(j->cfg->relay_response_us / 1000000));
	}
}

/* ---- sizes ---- */

enum { BUFSIZE = 16384, MAXREWRITE = 1024, SMALL = 65536 }; /* HAProxy's own; ours is 256k */

static uint64_t
global_number(const struct judge *j, const char *word, uint64_t other)
{
	uint64_t v;

	return span_u64(global_value(j->h, word), &v) == 0 ? v : other;
}

static const struct haproxy_line *
global_head(const struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++)
		if (j->h->section[i].kind == HAPROXY_GLOBAL)
			return j->h->section[i].head;
	return NULL;
}

void
rule_bufsize(struct judge *j)
{
	uint64_t size = global_number(j, "tune.bufsize", BUFSIZE);

	if (size < SMALL)
		found(j, global_head(j), "tune.bufsize 262144\ntune.maxrewrite 16384",
			"bodies beyond %llu bytes do not fit HAProxy's buffer and take the "
			"relay",
			(unsigned long long)size - MAXREWRITE);
}

static const struct haproxy_line *
compression_of(const struct haproxy_section *s)
{
	const struct haproxy_line *l = haproxy_last(s, "compression", "algo");

	l = l ? l : haproxy_last(s, "compression", "algo-res");
	return l ? l : haproxy_last(s, "compression", "algo-req");
}

void
rule_compression_filter(struct judge *j)
{
	const struct haproxy_line *l = j->gate ? compression_of(j->gate) : NULL;
	const struct haproxy_line *filter =
		j->gate ? haproxy_last(j->gate, "filter", NULL) : NULL;
	bool named = false;

	for (size_t i = 0; filter && i < j->gate->n; i++)
		named |= span_is(j->gate->line[i].word[0], "filter") &&
			 span_starts(haproxy_word(&j->gate->line[i], 1), SPAN_LIT("comp"));
	if (l && !named)
		found(j, l, "filter compression",
			"compression in %.*s, which has another filter: HAProxy wants its own "
			"named before `filter spoe`",
			SPAN_ARG(j->gate->name));
}

/* Releases with "BUG/MAJOR: slz: always make sure to limit fixed output to less than worst
 * case literals" of 8 April 2026; of a branch that is not here none is known to us. */
static const unsigned slz_fixed[][3] = { { 3, 2, 19 }, { 3, 3, 7 } };

static bool
has_slz_fix(const struct haproxy *h)
{
	if (haproxy_version_atleast(h, 3, 4, 0))
		return true;
	for (size_t i = 0; i < COUNT_OF(slz_fixed); i++)
		if (h->version[0] == slz_fixed[i][0] && h->version[1] == slz_fixed[i][1])
			return h->version[2] >= slz_fixed[i][2];
	return false;
}

void
rule_compression_overflow(struct judge *j)
{
	uint64_t size = global_number(j, "tune.bufsize", BUFSIZE);
	uint64_t reserve = global_number(j, "tune.maxrewrite", MAXREWRITE);
	char paste[128];

	if (reserve >= size / 16 || (size <= BUFSIZE && reserve >= 964) || has_slz_fix(j->h))
		return;
	snprintf(paste, sizeof(paste), "tune.maxrewrite %llu", (unsigned long long)(size / 16));
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *l =
			is_front(s) || is_back(s) ? compression_of(s) : NULL;
		if (!l)
			continue;
		found(j, l, paste,
			"%.*s compresses with tune.bufsize %llu and tune.maxrewrite %llu: "
			"before "
			"HAProxy's fix of April 2026 (3.3.7) its compressor can write past the "
			"buffer; a sixteenth is enough",
			SPAN_ARG(s->name), (unsigned long long)size,
			(unsigned long long)reserve);
		return;
	}
}

/* ---- the rest ---- */

/* An error page that is JSON: the shipped one, or a file that says so; http-error names its
 * own type. */
static bool
is_json_page(const struct haproxy_line *l)
{
	struct span file = haproxy_word(l, 2);
	struct buf text;
	bool json = false;

	if (span_is(l->word[0], "http-error"))
		return line_holds(l, "json");
	if (span_is(file, "/etc/haproxy/tollgate/503.http"))
		return true;
	buf_init(&text, 1 << 20);
	if (buf_file(&text, file.p)) {
		struct span v = buf_view(&text);
		json = memmem(v.p, v.n, "application/json", 16) != NULL;
	}
	buf_free(&text);
	return json;
}

static bool
answers_json(const struct haproxy_section *s, const char *status)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l;
	bool json = false;

	while ((l = haproxy_next(&w)))
		if ((span_is(l->word[0], "errorfile") && span_is(haproxy_word(l, 1), status)) ||
			(span_is(l->word[0], "http-error") &&
				span_is(value_after(l, 1, "status"), status)))
			json = is_json_page(l);
	return json;
}

static const struct haproxy_line *
unchecked_server(const struct haproxy_section *s)
{
	struct haproxy_walk w = haproxy_walk(s);
	const struct haproxy_line *l, *unchecked = NULL;
	bool checked = false;

	while ((l = haproxy_next(&w))) {
		bool check = false;
		for (size_t i = 1; i < l->n; i++)
			check |= span_is(l->word[i], "check");
		checked |= check && span_is(l->word[0], "default-server");
		if (span_is(l->word[0], "server") && !check && !checked)
			unchecked = l;
	}
	return unchecked;
}

void
rule_html_errors(struct judge *j)
{
	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *l = is_provider(j, s) ? unchecked_server(s) : NULL;
		if (!l || (answers_json(s, "503") && answers_json(s, "502")))
			continue;
		found(j, l,
			"errorfile 502 /etc/haproxy/tollgate/503.http\n"
			"errorfile 503 /etc/haproxy/tollgate/503.http\n"
			"errorfile 504 /etc/haproxy/tollgate/503.http",
			"this server has no `check`: where it refuses, callers get HAProxy's "
			"own "
			"HTML page. In backend %.*s",
			SPAN_ARG(s->name));
	}
}

void
rule_version(struct judge *j)
{
	const struct haproxy *h = j->h;

	if (!h->version[0])
		found(j, global_head(j), NULL,
			"HAProxy's version is not known here: name it with --haproxy-version");
	else if (!haproxy_version_atleast(h, 2, 6, 0))
		found(j, global_head(j), NULL, "HAProxy %u.%u: tollgate needs 2.6 or later",
			h->version[0], h->version[1]);
	else if (haproxy_version_atleast(h, 3, 4, 0))
		found(j, global_head(j), NULL,
			"HAProxy %u.%u: tollgate is tried on 2.6, 3.0 and 3.2", h->version[0],
			h->version[1]);
	for (size_t i = 0; h->version[0] && i < h->n; i++)
		for (size_t k = 0; k < h->section[i].n; k++) {
			const struct haproxy_line *l = &h->section[i].line[k];
			if (l->maybe || !span_is(l->word[0], "option"))
				continue;
			if (span_is(haproxy_word(l, 1), "http-drop-response-trailers") &&
				!haproxy_version_atleast(h, 3, 2, 0))
				found(j, l, NULL,
					"HAProxy %u.%u does not know this: 3.2 or later",
					h->version[0], h->version[1]);
			if (span_is(haproxy_word(l, 1), "abortonclose") &&
				h->section[i].kind != HAPROXY_DEFAULTS &&
				!haproxy_version_atleast(h, 3, 0, 0))
				found(j, l, "option abortonclose",
					"HAProxy %u.%u obeys this in a `defaults` section only",
					h->version[0], h->version[1]);
		}
}
