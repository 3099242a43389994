/* tollgate check --probe: sends requests through the running HAProxy as callers would, and
 * reports which part answered each one.
 *
 * Responses of tollgate's HAProxy lines and of its daemon are recognized by their header
 * fields and documents. Any other response is from the operator's own rules, or from the
 * servers behind HAProxy.
 *
 * Each host is probed at 127.0.0.1 under its own name, so the certificate is not verified.
 * A certificate for another name is reported as a note. */
#include "cmd/probe.h"

#include <curl/curl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/scoped.h"
#include "cmd/cmd.h"
#include "operator/edge/judge.h"
#include "operator/edge/lay.h"
#include "policy/config/config.h"
#include "policy/identity/probekey.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "scan/dialect/dialect.h"

enum {
	ANSWER_BYTES = 64 << 10, /* the part of a response's body that is kept; the rest is not
				  * needed */
	CONNECT_S = 3,
	PROBE_S = 20, /* a rule with tarpit may hold a request longer */
	ROUTES_MAX = 16,
	TEXT_BYTES = 4 << 20,
};

/* Texts by which a response of tollgate's shipped HAProxy files (haproxy/) is recognized. */
static const struct {
	const char *text;
	enum said {
		SAID_ELSE,
		SAID_GUARD,
		SAID_ROUTES,
		SAID_OTHER_BACKEND,
		SAID_UNDECIDED,
		SAID_RELOAD,
		SAID_UNFINISHED
	} said;
} documents[] = {
	{ "the gateway did not inspect this request", SAID_GUARD },
	{ "this request did not pass the gate", SAID_GUARD }, /* before 0.3 */
	{ "the backend that the policy names is unknown to HAProxy", SAID_ROUTES },
	{ "another backend than the gateway chose", SAID_OTHER_BACKEND },
	{ "the policy names another backend", SAID_OTHER_BACKEND }, /* before 0.3 */
	{ "the gateway could not decide this request", SAID_UNDECIDED },
	{ "HAProxy is being reloaded", SAID_RELOAD },
	{ "the gateway could not finish this request", SAID_UNFINISHED },
};

/* The response to one request. */
struct probed {
	CURLcode err;
	char error[CURL_ERROR_SIZE];
	int status;
	char id[64], decision[32], location[512];
	struct buf body;
	enum said said;
};

/* A route that is probed on a host. */
struct probe_route {
	const struct route *route;
	const char *method, *path,
		*backend; /* backend NULL: HAProxy's own routing chooses it */
	char body[512];	  /* "": the request has no body */
};

/* The subject of one line of output: the place that got the request, and its route. */
struct asked {
	struct probe *p;
	const struct reach_place *at;
	const char *host;
	const struct probe_route *r; /* NULL: a frontend that answers every request itself */
	enum probe_kind kind;
};

void
probe_init(struct probe *p)
{
	buf_init(&p->said, TEXT_BYTES);
	buf_init(&p->wrong, TEXT_BYTES);
}

void
probe_free(struct probe *p)
{
	buf_free(&p->said);
	buf_free(&p->wrong);
}

/* ---- lines ---- */

/* Writes SCHEME://HOST[:PORT]. */
static void
put_origin(const struct asked *a, struct buf *b)
{
	buf_printf(b, "%s://%s", a->at->tls ? "https" : "http", a->host);
	if (a->at->port)
		buf_printf(b, ":%u", a->at->port);
}

static void
put_asked(const struct asked *a, struct buf *b)
{
	const struct reach_place *at = a->at;

	put_origin(a, b);
	if (strcmp(at->address, "127.0.0.1") != 0)
		buf_printf(b, " at %s", at->address);
	if (a->r)
		buf_printf(b, ", route %s, %s", a->r->route->name,
			a->kind == PROBE_RELAY ? "relayed" : "direct");
	buf_str(b, ": ");
}

__attribute__((format(printf, 2, 3))) static void
say_right(const struct asked *a, const char *fmt, ...)
{
	va_list ap;
	char text[1024];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_str(&a->p->said, "probe: ");
	put_asked(a, &a->p->said);
	buf_printf(&a->p->said, "%s\n", text);
}

__attribute__((format(printf, 2, 3))) static void
say_wrong(const struct asked *a, const char *fmt, ...)
{
	const struct haproxy_line *l = a->at->bind;
	va_list ap;
	char text[1024];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	a->p->nwrong++;
	buf_printf(&a->p->wrong, "%s:%u:1: probe: ", l->file, l->line);
	put_asked(a, &a->p->wrong);
	buf_printf(&a->p->wrong, "%s\n", text);
}

/* ---- a request ---- */

static size_t
take_probe_body(char *p, size_t size, size_t n, void *arg)
{
	struct probed *x = arg;

	buf_put(&x->body, p, size * n);
	return buf_failed(&x->body) ? 0 : size * n;
}

static size_t
take_probe_field(char *p, size_t size, size_t n, void *arg)
{
	struct probed *x = arg;
	const struct {
		const char *name;
		char *to;
		size_t room;
	} fields[] = { { "x-tollgate-id", x->id, sizeof(x->id) },
		{ "x-tollgate-decision", x->decision, sizeof(x->decision) },
		{ "location", x->location, sizeof(x->location) } };
	struct span value = span_of(p, size * n), name = span_next(&value, ':');

	value = span_trim(value, " \t\r\n");
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (span_ieq(name, span_str(fields[i].name)))
			snprintf(fields[i].to, fields[i].room, "%.*s", SPAN_ARG(value));
	return size * n;
}

static struct curl_slist *
probe_fields(const struct asked *a)
{
	struct curl_slist *list = curl_slist_append(NULL, "content-type: application/json");
	char line[PROBE_KEY_BYTES + 64], key[PROBE_KEY_BYTES];

	if (!a->r)
		return list;
	probe_key_make(a->p->secret, a->kind, clock_wall_ns(), span_str(a->r->method),
		span_str(a->r->body), key);
	snprintf(line, sizeof(line), "authorization: Bearer %s", key);
	struct curl_slist *both = curl_slist_append(list, line);
	sodium_memzero(line, sizeof(line));
	return both ? both : list;
}

static void
send_probe(const struct asked *a, bool any_name, struct probed *x)
{
	const struct reach_place *at = a->at;
	const char *path = a->r ? a->r->path : "/", *method = a->r ? a->r->method : "GET";
	CURL *c = curl_easy_init();
	struct curl_slist *fields = probe_fields(a), *to = NULL;
	char connect[512];
	long status = 0;

	SCOPED_BUF(url, 2048);

	x->err = CURLE_OUT_OF_MEMORY;
	buf_clear(&x->body);
	if (!c)
		goto out;
	put_origin(a, &url);
	buf_printf(&url, "%s%c", path, '\0');
	if (buf_failed(&url))
		goto out;
	snprintf(connect, sizeof(connect), "::%s:%u", at->address, at->port);
	to = at->port ? curl_slist_append(NULL, connect) : NULL;
	curl_easy_setopt(c, CURLOPT_URL, buf_view(&url).p);
	if (at->port)
		curl_easy_setopt(c, CURLOPT_CONNECT_TO, to);
	else
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, at->address);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	if (a->r && a->r->body[0])
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, a->r->body);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, fields);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
		!at->http2 ? (long)CURL_HTTP_VERSION_1_1
		: at->tls  ? (long)CURL_HTTP_VERSION_2TLS
			   : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, any_name ? 0L : 2L);
	curl_easy_setopt(c, CURLOPT_HAPROXYPROTOCOL, at->proxied ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_probe_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_probe_field);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)PROBE_S);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	x->err = curl_easy_perform(c);
	if (x->err == CURLE_WRITE_ERROR && buf_failed(&x->body))
		x->err = CURLE_OK; /* the rest of a long response was cut off on purpose */
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
out:
	x->status = (int)status;
	curl_slist_free_all(fields);
	curl_slist_free_all(to);
	curl_easy_cleanup(c);
}

static void
ask_probe(const struct asked *a, struct probed *x)
{
	send_probe(a, false, x);
	if (x->err == CURLE_PEER_FAILED_VERIFICATION) {
		if (a->kind != PROBE_RELAY) /* one note for each certificate is enough */
			say_right(a, "note: its certificate is not for %s", a->host);
		send_probe(a, true, x);
	}
	a->p->nsent++;
	struct span body = buf_view(&x->body);
	for (size_t i = 0; body.n && i < COUNT_OF(documents); i++)
		if (memmem(body.p, body.n, documents[i].text, strlen(documents[i].text)))
			x->said = documents[i].said;
}

/* ---- which part answered ---- */

/* Writes the operator's rules that may have sent this response, as "FILE:LINE or
 * FILE:LINE". Returns their number. */
static size_t
own_rules(const struct asked *a, const struct probed *x, bool second, struct buf *out)
{
	const struct haproxy_section *s = second ? inner_of(a->p->h) : a->at->front;

	return s ? reach_rules(s, x->status, span_str(x->location), second, out) : 0;
}

/* Returns true for a redirect from http to https on the same host, which is intended. */
static bool
moved_to_tls(const struct asked *a, const struct probed *x)
{
	struct span to = span_str(x->location);

	return !a->at->tls && span_istarts(to, SPAN_LIT("https://")) &&
	       span_istarts(span_cut(to, 8, to.n), span_str(a->host));
}

/* Reports a response of the operator's own rules. A redirect to https is correct;
 * everything else is wrong. */
static void
say_own_answer(const struct asked *a, const struct probed *x, bool second)
{
	const char *pass = second ? "on the relay's second pass" : "before the gate";

	SCOPED_BUF(rules, 4096);
	own_rules(a, x, second, &rules);
	struct span by = buf_view(&rules);
	if (!second && moved_to_tls(a, x))
		say_right(a, "%d, a redirect to %s%s%.*s%s", x->status, x->location,
			by.n ? " (" : "", SPAN_ARG(by), by.n ? ")" : "");
	else if (x->location[0])
		say_wrong(a, "answered %s: %d, a redirect to %s%s%.*s", pass, x->status,
			x->location, by.n ? ", by " : "", SPAN_ARG(by));
	else if (by.n)
		say_wrong(a, "answered %s: %d, by a rule of yours: %.*s", pass, x->status,
			SPAN_ARG(by));
	else
		say_wrong(a,
			"answered %s: %d, but no rule of this frontend sends that: look at "
			"backends, maps and scripts",
			pass, x->status);
}

static void
say_gate_denied(const struct asked *a, const struct probed *x)
{
	json_auto_t *o = json_loadb(buf_view(&x->body).p, x->body.n, 0, NULL);
	const json_t *e = json_object_get(o, "error");
	const char *code = json_str_in(e, "code");

	if (x->status == 401)
		say_wrong(a, "the gate returned 401: it does not accept the key of this "
			     "probe. Check that the daemon has the state_key of this "
			     "tollgate.yaml and this version, and that no rule changes the "
			     "header authorization");
	else
		say_wrong(a, "the gate refused it: %d %s", x->status,
			code			 ? code
			: json_str_in(e, "type") ? json_str_in(e, "type")
						 : "");
}

/* Returns true if the policy lets this probe continue to the provider. */
static bool
goes_to_provider(const struct asked *a)
{
	return a->p->policy->probe_provider && a->r->body[0];
}

/* Compares the backend that was reached with the one to which HAProxy's own rules lead without
 * the gate. The operator's rules stand below the stanza, so the same files have both. */
static void
put_before(const struct asked *a, struct buf *out)
{
	SCOPED_ARENA(arena, 0, false);
	struct lay own = { .arena = &arena, .front = { a->at->front }, .nfront = 1 };
	const struct haproxy_line *by;
	const struct haproxy_section *before =
		lay_sent_to(&own, a->p->h, a->host, span_str(a->r->path), &by);

	if (!before || !a->r->backend)
		return;
	if (span_is(before->name, a->r->backend))
		buf_str(out, ", as before");
	else
		buf_printf(out, "; before, it was sent to backend %.*s (%s:%u)",
			SPAN_ARG(before->name), by->file, by->line);
}

static void
say_direct(const struct asked *a, const struct probed *x)
{
	const struct haproxy_section *s =
		a->r->backend ? backend_named(a->p->h, span_str(a->r->backend)) : NULL;
	const struct haproxy_line *guard = s ? reach_guard(s) : NULL;

	SCOPED_BUF(rules, 4096);
	SCOPED_BUF(before, 1024);
	put_before(a, &before);
	if (x->said == SAID_GUARD && guard)
		say_right(a, "the guard of backend %s answered (%s:%u)%.*s", a->r->backend,
			guard->file, guard->line, SPAN_ARG(buf_view(&before)));
	else if (x->said == SAID_GUARD)
		say_right(a, "a backend's guard answered");
	else if (x->said == SAID_OTHER_BACKEND)
		say_wrong(a,
			"the request reached another backend than %s: a use_backend "
			"rule of yours precedes the stanza's; move it below",
			a->r->backend ? a->r->backend : "the policy's");
	else if (goes_to_provider(a) && !own_rules(a, x, false, &rules))
		say_right(a, "the provider returned %d", x->status);
	else
		say_own_answer(a, x, false);
}

static void
say_relayed(const struct asked *a, const struct probed *x)
{
	bool passes = goes_to_provider(a);

	SCOPED_BUF(rules, 4096);
	if (x->said == SAID_ROUTES && !passes)
		say_right(a, "both passes succeeded, and the probe stopped before the "
			     "provider's backend");
	else if (passes && x->said == SAID_ELSE && !own_rules(a, x, true, &rules))
		say_right(a, "the provider returned %d", x->status);
	else if (x->said == SAID_ELSE)
		say_own_answer(a, x, true);
	else
		say_wrong(a,
			"%d: the relay's second pass did not reach the end of the stanza: a "
			"rule of yours ends it earlier",
			x->status);
}

static void
say_answer(const struct asked *a, const struct probed *x)
{
	if (x->err != CURLE_OK) {
		a->p->unreached |= x->err == CURLE_COULDNT_CONNECT;
		say_wrong(a, "no answer: %s",
			x->error[0] ? x->error : curl_easy_strerror(x->err));
	} else if (x->said == SAID_UNFINISHED) {
		say_wrong(a, "503: HAProxy could not reach the daemon's relay, or the "
			     "relay could not reach HAProxy's inner socket: check that "
			     "relay.listen, egress and the bind of inner.sock agree, and "
			     "that both users may open the sockets");
	} else if (x->said == SAID_RELOAD) {
		say_wrong(a, "503: HAProxy is being reloaded: run the probe again");
	} else if (!x->id[0] && x->said == SAID_UNDECIDED) {
		say_wrong(a, "503: the daemon sent no decision: check that it is running "
			     "and that agent.listen agrees with HAProxy's files");
	} else if (!x->id[0] && x->said == SAID_GUARD) {
		say_wrong(a, "503: the request reached a provider's guard without passing "
			     "the gate: the stanza must precede the rule that chose this "
			     "backend");
	} else if (!x->id[0]) {
		say_own_answer(a, x, false);
	} else if (!strcmp(x->decision, "deny")) {
		say_gate_denied(a, x);
	} else if (x->said == SAID_ROUTES && a->kind == PROBE_DIRECT) {
		say_wrong(a,
			"503: the running HAProxy has no backend %s, or none of its "
			"servers is up: reload HAProxy, and check the servers",
			a->r->backend ? a->r->backend : "");
	} else if (a->kind == PROBE_DIRECT) {
		say_direct(a, x);
	} else {
		say_relayed(a, x);
	}
}

static void
probe_once(const struct asked *a)
{
	struct probed x = { .err = CURLE_OK };

	buf_init(&x.body, ANSWER_BYTES);
	ask_probe(a, &x);
	say_answer(a, &x);
	buf_free(&x.body);
}

/* Probes a frontend that answers every request itself, and reports which line answers. */
static void
probe_answering(const struct asked *a, const struct haproxy_line *by)
{
	struct probed x = { .err = CURLE_OK };

	buf_init(&x.body, ANSWER_BYTES);
	ask_probe(a, &x);
	if (x.err != CURLE_OK)
		say_answer(a, &x);
	else if (x.location[0])
		say_right(a, "%d, a redirect to %s (%s:%u)", x.status, x.location, by->file,
			by->line);
	else
		say_right(a, "%d (%s:%u)", x.status, by->file, by->line);
	buf_free(&x.body);
}

/* ---- what is sent ---- */

/* Returns a path of the route. A route without paths gets the usual path of its dialect
 * family. */
static const char *
path_for(const struct route *r, struct arena *a)
{
	static const struct {
		const char *dialect, *path;
	} usual[] = { { "openai", "/v1/chat/completions" }, { "anthropic", "/v1/messages" },
		{ "gemini", "/v1beta/models/tollgate-probe:generateContent" },
		{ "bedrock", "/model/tollgate-probe/converse" }, { "cohere", "/v2/chat" },
		{ "mistral", "/v1/chat/completions" }, { "ollama", "/api/chat" },
		{ "tgi", "/generate" } };
	const char *prefix = r->nprefixes ? r->prefixes[0] : "";

	if (r->npaths)
		return r->paths[0];
	for (size_t i = 0; r->dialect && i < COUNT_OF(usual); i++)
		if (!strcmp(dialect_name(r->dialect), usual[i].dialect))
			return arena_printf(a, "%s%s", prefix, usual[i].path).p;
	return *prefix ? prefix : "/";
}

static bool
takes_method(const struct route *r, const char *method)
{
	for (size_t i = 0; i < r->nmethods; i++)
		if (!strcmp(r->methods[i], method))
			return true;
	return r->nmethods == 0;
}

/* Builds a request for which the policy chooses this route on this host. Returns false if
 * no such request is known. */
static bool
route_asked(const struct probe *p, const struct route *r, const char *host, struct arena *a,
	struct probe_route *out)
{
	const char *model = r->targets->model ? r->targets->model : "tollgate-probe";

	*out = (struct probe_route){ .route = r, .backend = r->targets->backend };
	out->method = takes_method(r, "POST") ? "POST" : r->methods[0];
	out->path = path_for(r, a);
	if (!strcmp(out->method, "POST") || !strcmp(out->method, "PUT"))
		snprintf(out->body, sizeof(out->body),
			"{\"model\":\"%.200s\",\"max_tokens\":1,\"messages\":[{\"role\":"
			"\"user\","
			"\"content\":\"tollgate probe\"}]}",
			model);
	return out->path && policy_route(p->policy, span_str(out->method), span_str(host),
				    span_str(out->path)) == r;
}

/* Chooses one route for each backend. Routes of MCP servers come last. */
static size_t
routes_asked(const struct probe *p, const char *host, struct arena *a,
	struct probe_route out[ROUTES_MAX])
{
	size_t n = 0;

	for (int mcp = 0; mcp < 2; mcp++)
		for (size_t i = 0; i < p->policy->nroutes && n < ROUTES_MAX; i++) {
			const struct route *r = &p->policy->routes[i];
			bool is_mcp = r->dialect && dialect_is_of_mcp(r->dialect), had = false;
			if (is_mcp != mcp || !route_asked(p, r, host, a, &out[n]))
				continue;
			for (size_t k = 0; k < n; k++)
				had |= out[k].backend && out[n].backend &&
				       !strcmp(out[k].backend, out[n].backend);
			n += !had;
		}
	return n;
}

/* Returns true if no guard of HAProxy stands before the provider, so that a direct probe
 * would reach the provider. */
static bool
no_guard_there(const struct probe *p, const struct probe_route *r)
{
	const struct haproxy_section *s =
		r->backend ? backend_named(p->h, span_str(r->backend)) : NULL;

	return !p->policy->probe_provider && (!s || !reach_guard(s));
}

static void
probe_host(struct probe *p, const struct reach_place *at, const char *host, struct arena *a)
{
	struct probe_route routes[ROUTES_MAX];
	struct asked asks = { .p = p, .at = at, .host = host };
	size_t n = routes_asked(p, host, a, routes);

	if (!n)
		say_wrong(&asks, "no route of the policy is for this host: every request "
				 "to it gets 404; add a route, or take the host out of the "
				 "ACL");
	for (size_t i = 0; i < n; i++) {
		asks.r = &routes[i];
		asks.kind = PROBE_DIRECT;
		if (no_guard_there(p, &routes[i]))
			say_right(&asks,
				"not sent: %s has no guard, so the probe would "
				"reach the provider (`probe: provider` in the "
				"policy permits this)",
				routes[i].backend ? routes[i].backend
						  : "the backend that HAProxy chooses");
		else
			probe_once(&asks);
		asks.kind = PROBE_RELAY;
		probe_once(&asks);
	}
}

/* Lists the hosts to probe: those of --host; else those of the ACL; else, if the ACL names
 * binds, those of the policy. */
static size_t
hosts_asked(const struct probe *p, const struct haproxy_section *s, struct arena *a,
	const char *out[REACH_HOSTS_MAX], bool *unknown)
{
	bool all;
	size_t n = reach_hosts(s, a, out, REACH_HOSTS_MAX, &all, unknown);

	if (p->nhost) {
		*unknown = false;
		memcpy(out, p->host, p->nhost * sizeof(*out));
		return p->nhost;
	}
	for (size_t i = 0; all && i < p->policy->nroutes; i++)
		for (size_t k = 0; k < p->policy->routes[i].nhosts && n < REACH_HOSTS_MAX;
			k++) {
			const char *host = p->policy->routes[i].hosts[k];
			bool had = *host == '*';
			for (size_t h = 0; h < n; h++)
				had |= !strcmp(out[h], host);
			if (!had)
				out[n++] = host;
		}
	if (all && !n)
		out[n++] = "localhost";
	return n;
}

static void
probe_front(struct probe *p, const struct haproxy_section *s, const char *const hosts[],
	size_t nhosts, struct arena *a)
{
	struct reach_place place[REACH_PLACES_MAX];
	const struct haproxy_line *answers = reach_is_gate(s) ? NULL : reach_answers_all(s);
	size_t n = reach_places(p->h, s, a, place, REACH_PLACES_MAX);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < nhosts && (answers || reach_passes(&place[i])); k++) {
			const struct asked a1 = { .p = p, .at = &place[i], .host = hosts[k] };
			if (place[i].no)
				say_right(&a1, "not sent: %s", place[i].no);
			else if (answers)
				probe_answering(&a1, answers);
			else
				probe_host(p, &place[i], hosts[k], a);
		}
}

int
probe_run(struct probe *p)
{
	unsigned char secret[KEYFILE_BYTES];
	const char *gated[REACH_HOSTS_MAX];
	size_t ngated = 0;
	bool unknown = false;

	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(why, 4096);
	if (!p->cfg->state_key) {
		cmd_fail("check",
			"--probe: %s has no state_key, from which the probe's "
			"key is derived: make one with tollgate keygen --secret "
			"FILE",
			p->cfg->file);
		return ERR_IO;
	}
	if (keyfile_derive(p->cfg->state_key, PROBE_SECRET, secret, &why) < 0) {
		cmd_fail("check", "--probe: %.*s", SPAN_ARG(buf_view(&why)));
		return ERR_IO;
	}
	p->secret = secret;
	for (size_t i = 0; i < p->h->n; i++) {
		const struct haproxy_section *s = &p->h->section[i];
		const char *hosts[REACH_HOSTS_MAX];
		if (!reach_is_gate(s))
			continue;
		bool some = false;
		size_t n = hosts_asked(p, s, &a, hosts, &some);
		unknown |= some;
		probe_front(p, s, hosts, n, &a);
		for (size_t k = 0; k < n && ngated < REACH_HOSTS_MAX; k++)
			gated[ngated++] = hosts[k];
	}
	/* one host is enough, because the redirect applies to all */
	for (size_t i = 0; i < p->h->n && ngated; i++)
		if (!reach_is_gate(&p->h->section[i]) && reach_answers_all(&p->h->section[i]))
			probe_front(p, &p->h->section[i], gated, 1, &a);
	sodium_memzero(secret, sizeof(secret));
	p->secret = NULL;
	if (unknown)
		buf_str(&p->said, "note: probe: `acl tollgate` also names hosts by a "
				  "pattern or a map: probe these hosts with --host\n");
	if (!p->nsent && !p->nwrong)
		cmd_fail("check", "--probe: nothing was sent: HAProxy's files have no "
				  "frontend with the stanza (tollgate init adds it), or "
				  "none whose socket and host are known (name a host with "
				  "--host)");
	return p->unreached || (!p->nsent && !p->nwrong) ? ERR_IO : 0;
}
