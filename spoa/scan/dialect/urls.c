/* The table of URLs in responses, and their change to the address of the gateway.
 *
 * Sources of the rows: OpenAI's openapi.json, Anthropic's SDK types, Google's SDK types and
 * REST pages, Cohere's cohere-openapi.yaml, Mistral's SDK models, Microsoft's REST guidelines
 * for long-running operations (Azure's paths of the family openai). Bedrock, Ollama and TGI
 * state no URL of their own in responses.
 *
 * A URL counts as the provider's if its host is one of a provider's API, or if its path is one
 * of the family's endpoints. Only its beginning changes: scheme and host, and a prefix that
 * either side has before the API's own path. A parameter `key` is removed, because some servers
 * repeat the credential of the request there. */
#include "scan/dialect/urls.h"

#include "base/among.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "scan/dialect/family.h"

/* clang-format off */
#define FIELD(dialect, endpoint, name) { dialect, endpoint, name, true, URL_FOLLOWED }
static const struct url_row rows[] = {
	/* fields of any response */
	FIELD(NULL, NULL, "location"),
	FIELD(NULL, NULL, "content-location"),
	FIELD(NULL, NULL, "link"),
	FIELD(NULL, NULL, "operation-location"),
	FIELD(NULL, NULL, "azure-asyncoperation"),
	FIELD(NULL, NULL, "x-goog-upload-url"),
	FIELD(NULL, NULL, "x-goog-upload-control-url"),
	/* endpoints whose responses are known to have one of these fields */
	FIELD("openai",    "realtime",           "location"),           /* a call that was created */
	FIELD("openai",    "image_jobs",         "operation-location"), /* Azure */
	FIELD("openai",    "files",              "location"),           /* Azure */
	FIELD("openai",    "batches",            "location"),           /* Azure */
	FIELD("openai",    "fine_tuning",        "location"),           /* Azure */
	FIELD("gemini",    "files",              "x-goog-upload-url"),
	FIELD("gemini",    "file_search_stores", "x-goog-upload-url"),

	{ "anthropic", "batches",       "results_url",                     false, URL_FOLLOWED },
	{ "anthropic", "batches",       "data.results_url",                false, URL_FOLLOWED },

	{ "openai",    "images",        "data.url",                        false, URL_SIGNED },
	{ "openai",    "operations",    "result.data.url",                 false, URL_SIGNED },
	{ "openai",    "responses",     "output.outputs.url",              false, URL_SIGNED },
	{ "openai",    "responses",     "response.output.outputs.url",     false, URL_SIGNED },
	{ "openai",    "responses",     "item.outputs.url",                false, URL_SIGNED },
	{ "openai",    "responses",     "data.outputs.url",                false, URL_SIGNED },
	{ "openai",    "conversations", "outputs.url",                     false, URL_SIGNED },
	{ "openai",    "conversations", "data.outputs.url",                false, URL_SIGNED },
	{ "openai",    "evals",         "report_url",                      false, URL_PUBLIC },
	{ "openai",    "evals",         "data.report_url",                 false, URL_PUBLIC },
	{ "openai",    "threads",       "data.attachments.preview_url",    false, URL_SIGNED },
	{ "openai",    "fine_tuning",   "integrations.wandb.url",          false, URL_PUBLIC },

	{ "gemini",    "files",         "uri",                             false, URL_AS_ID },
	{ "gemini",    "files",         "file.uri",                        false, URL_AS_ID },
	{ "gemini",    "files",         "files.uri",                       false, URL_AS_ID },
	{ "gemini",    "files",         "downloadUri",                     false, URL_FOLLOWED },
	{ "gemini",    "files",         "file.downloadUri",                false, URL_FOLLOWED },
	{ "gemini",    "files",         "files.downloadUri",               false, URL_FOLLOWED },
	{ "gemini",    "operations",    "response.generateVideoResponse.generatedSamples.video.uri", false, URL_FOLLOWED },
	{ "gemini",    "operations",    "response.generatedSamples.video.uri", false, URL_FOLLOWED },
	{ "gemini",    "operations",    "response.generatedVideos.video.uri", false, URL_FOLLOWED },
	{ "gemini",    "operations",    "operations.response.generateVideoResponse.generatedSamples.video.uri", false, URL_FOLLOWED },
	{ "gemini",    "predict",       "instances.video.uri",             false, URL_RETURNED },
	{ "gemini",    "generate",      "contents.parts.fileData.fileUri", false, URL_RETURNED },
	{ "gemini",    "generate",      "contents.parts.file_data.file_uri", false, URL_RETURNED },
	{ "gemini",    "count",         "contents.parts.fileData.fileUri", false, URL_RETURNED },
	{ "gemini",    "cached",        "contents.parts.fileData.fileUri", false, URL_RETURNED },
	{ "gemini",    "interactions",  "outputs.uri",                     false, URL_FOLLOWED },
	{ "gemini",    "interactions",  "steps.content.uri",               false, URL_FOLLOWED },
	{ "gemini",    "interactions",  "interaction.outputs.uri",         false, URL_FOLLOWED },
	{ "gemini",    "interactions",  "interaction.steps.content.uri",   false, URL_FOLLOWED },
	{ "gemini",    "interactions",  "delta.uri",                       false, URL_FOLLOWED },
	{ "gemini",    "interactions",  "step.content.uri",                false, URL_FOLLOWED },
	{ "gemini",    "interactions",  "content.uri",                     false, URL_FOLLOWED },
	{ "gemini",    "interactions",  "input.uri",                       false, URL_RETURNED },
	{ "gemini",    "interactions",  "input.content.uri",               false, URL_RETURNED },

	{ "cohere",    "datasets",      "dataset.dataset_parts.url",       false, URL_SIGNED },
	{ "cohere",    "datasets",      "dataset.dataset_parts.original_url", false, URL_SIGNED },
	{ "cohere",    "datasets",      "datasets.dataset_parts.url",      false, URL_SIGNED },
	{ "cohere",    "datasets",      "datasets.dataset_parts.original_url", false, URL_SIGNED },
	{ "cohere",    "models",        "tokenizer_url",                   false, URL_PUBLIC },
	{ "cohere",    "models",        "models.tokenizer_url",            false, URL_PUBLIC },
	{ "cohere",    "connectors",    "connector.url",                   false, URL_PUBLIC },
	{ "cohere",    "connectors",    "connectors.url",                  false, URL_PUBLIC },
	{ "cohere",    "connectors",    "redirect_url",                    false, URL_PUBLIC },

	{ "mistral",   "files",         "url",                             false, URL_SIGNED },
	{ "mistral",   "fine_tuning",   "integrations.url",                false, URL_PUBLIC },
	{ "mistral",   "connectors",    "auth_url",                        false, URL_PUBLIC },
};

/* Hosts of providers' APIs. ".x" also matches what ends with it, and so does "-x". */
static const char *const hosts[] = {
	"api.openai.com", ".api.openai.com",
	".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com",
	"api.anthropic.com",
	"generativelanguage.googleapis.com", "aiplatform.googleapis.com",
	"-aiplatform.googleapis.com", ".rep.googleapis.com",
	"api.cohere.com", "api.cohere.ai", ".api.cohere.com",
	"api.mistral.ai", "codestral.mistral.ai",
};

/* The address of the provider to which URLs of a request are returned. */
static const struct { const char *dialect, *origin; } origins[] = {
	{ "gemini", "https://generativelanguage.googleapis.com" },
};
/* clang-format on */

const struct url_row *
dialect_url_rows(size_t *n)
{
	*n = COUNT_OF(rows);
	return rows;
}

static bool
row_applies(const struct url_row *r, const struct dialect *family, const char *endpoint)
{
	return r->dialect && endpoint && !strcmp(r->endpoint, endpoint) &&
	       !strcmp(r->dialect, dialect_name(family));
}

bool
dialect_leads(const struct dialect *family, const char *endpoint)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].kind == URL_FOLLOWED && row_applies(&rows[i], family, endpoint))
			return true;
	return false;
}

/* ---- one URL ---- */

/* The parts of an absolute URL. */
struct url_parts {
	struct span host;	  /* with its port */
	struct span path;	  /* from the slash to the query; may be empty */
	struct span query;	  /* without its "?"; p NULL: none */
	struct span fragment;	  /* with its "#"; may be empty */
};

static bool
is_host_byte(char c)
{
	return is_alnum(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
}

/* A byte that stays as it is in JSON, in a field of a head and in a URL. */
static bool
is_url_byte(char c)
{
	return is_visible(c) && c != '"' && c != '\\' && c != '<' && c != '>';
}

/* Splits an absolute http URL, or one that begins with two slashes and takes the scheme of its
 * reader (RFC 3986 4.2). Returns false for any other text. */
static bool
split(struct span url, struct url_parts *u)
{
	struct span rest = url;

	if (!span_istarts(url, SPAN_LIT("https://")) && !span_istarts(url, SPAN_LIT("http://")) &&
		!span_starts(url, SPAN_LIT("//")))
		return false;
	for (size_t i = 0; i < url.n; i++)
		if (!is_url_byte(url.p[i]))
			return false;
	rest = span_cut(url, *url.p == '/' ? 2 : span_chr(url, ':') + 3, url.n);
	size_t n = 0;
	while (n < rest.n && is_host_byte(rest.p[n]))
		n++;
	u->host = span_cut(rest, 0, n);
	rest = span_cut(rest, n, rest.n);
	if (!n || (rest.n && *rest.p != '/' && *rest.p != '?' && *rest.p != '#'))
		return false;
	n = span_chr(rest, '#');
	u->fragment = span_cut(rest, n, rest.n);
	rest = span_cut(rest, 0, n);
	n = span_chr(rest, '?');
	u->path = span_cut(rest, 0, n);
	u->query = n < rest.n ? span_cut(rest, n + 1, rest.n) : (struct span){ NULL, 0 };
	return true;
}

static bool
is_api_host(struct span host)
{
	struct span name = span_cut(host, 0, span_chr(host, ':'));

	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		struct span of = span_str(hosts[i]);
		bool part = *of.p == '.' || *of.p == '-';
		if (part ? name.n > of.n && span_iends(name, of) : span_ieq(name, of))
			return true;
	}
	return false;
}

/* Appends the path with the prefix of the other side: `mine` is the path that has the prefix to
 * remove, and `theirs` the path of the side that reads the URL. Example: /v1/files with the
 * caller's path /anthropic/v1/messages becomes /anthropic/v1/files. */
static void
put_url_path(const struct dialect *d, struct span mine, struct span theirs, struct buf *out)
{
	size_t remove = 0, add = 0;

	dialect_prefix(d, theirs, &add);
	struct span prefix = span_cut(theirs, 0, add);
	struct span rest = span_cut(mine, add, mine.n);
	bool has = add && span_starts(mine, prefix) && (!rest.n || *rest.p == '/');
	if (has) {
		buf_span(out, mine);
		return;
	}
	dialect_prefix(d, mine, &remove);
	buf_span(out, prefix);
	buf_span(out, span_cut(mine, remove, mine.n));
}

/* Appends the query without a parameter `key`. */
static void
put_query(struct span query, struct buf *out)
{
	struct span rest = query;
	bool any = false;

	while (rest.n) {
		struct span pair = span_next(&rest, '&');
		if (span_starts(pair, SPAN_LIT("key=")))
			continue;
		buf_str(out, any ? "&" : "?");
		buf_span(out, pair);
		any = true;
	}
}

static struct span
in_arena(const struct buf *b, struct arena *a)
{
	return buf_failed(b) ? (struct span){ NULL, 0 } : arena_dup(a, buf_view(b));
}

/* Returns the URL at the gateway's address; `url` itself if it is not the provider's. p NULL:
 * out of memory. */
static struct span
lead(const struct url_lead *l, struct span url, struct arena *a)
{
	struct url_parts u;
	SCOPED_BUF(b, 0);

	if (!split(url, &u) || span_ieq(u.host, l->host))
		return url;
	if (!is_api_host(u.host) && !dialect_endpoint(l->family, SPAN_LIT(""), u.path).name)
		return url;
	buf_str(&b, l->https ? "https://" : "http://");
	buf_span(&b, l->host);
	put_url_path(l->family, u.path, l->path, &b);
	put_query(u.query, &b);
	buf_span(&b, u.fragment);
	return in_arena(&b, a);
}

/* Returns the provider's address for URLs of requests, or NULL. */
static const char *
url_origin(const struct dialect *family)
{
	for (size_t i = 0; i < COUNT_OF(origins); i++)
		if (!strcmp(origins[i].dialect, dialect_name(family)))
			return origins[i].origin;
	return NULL;
}

/* Returns the URL at the provider's address; `url` itself if it is not the gateway's. */
static struct span
lead_back(const struct url_lead *l, struct span url, struct arena *a)
{
	struct url_parts u;
	const char *to = url_origin(l->family);
	SCOPED_BUF(b, 0);

	if (!to || !split(url, &u) || !span_ieq(u.host, l->host))
		return url;
	size_t prefix = 0;
	if (!dialect_prefix(l->family, u.path, &prefix))
		return url;
	buf_str(&b, to);
	buf_span(&b, span_cut(u.path, prefix, url.n));
	put_query(u.query, &b);
	buf_span(&b, u.fragment);
	return in_arena(&b, a);
}

/* ---- documents ---- */

/* The argument of take_url(). */
struct leading {
	const struct url_lead *l;
	struct arena *a;
	struct splice *v;
	size_t n, room;
	bool failed;
};

static void
take_url(void *arg, int kind, struct span text, const struct json_event *at)
{
	struct leading *r = arg;
	struct span now =
		kind == URL_FOLLOWED ? lead(r->l, text, r->a) : lead_back(r->l, text, r->a);
	struct splice edit = { at->start, at->end, now };

	if (!text.n || now.p == text.p)
		return;
	/* Only the part that differs is replaced, so that other edits of the string stay. */
	while (!at->escaped && now.p && edit.end > edit.start && edit.with.n &&
		edit.with.p[edit.with.n - 1] == text.p[edit.end - at->start - 1]) {
		edit.with.n--;
		edit.end--;
	}
	r->failed |= !now.p || !ARENA_PUSH(r->a, r->v, r->n, r->room, 8, edit);
}

static int
lead_strings(const struct url_lead *l, enum url_kind kind, struct span json, struct arena *a,
	struct splice **v)
{
	struct json_place places[COUNT_OF(rows)];
	struct leading r = { .l = l, .a = a };
	size_t n = 0;

	*v = NULL;
	for (size_t i = 0; l->family && l->host.n && i < COUNT_OF(rows); i++)
		if (rows[i].kind == kind && !rows[i].field &&
			row_applies(&rows[i], l->family, l->endpoint))
			places[n++] = (struct json_place){ rows[i].path, (int)kind };
	if (!n || !json_strings(json, places, n, false, a, take_url, &r))
		return r.failed ? ERR_NOMEM : 0;
	*v = r.v;
	return r.failed ? ERR_NOMEM : (int)r.n;
}

int
url_lead_document(
	const struct url_lead *l, struct span json, struct arena *a, struct splice **v)
{
	return lead_strings(l, URL_FOLLOWED, json, a, v);
}

int
url_lead_back(const struct url_lead *l, struct span json, struct arena *a, struct splice **v)
{
	*v = NULL;
	/* most requests hold no URL of the gateway */
	return url_origin(l->family) && l->host.n && span_holds(json, l->host)
		       ? lead_strings(l, URL_RETURNED, json, a, v)
		       : 0;
}

/* ---- fields of a head ---- */

/* link-value = "<" URI-Reference ">" *( OWS ";" OWS link-param ), RFC 8288 3 */
static struct span
lead_links(const struct url_lead *l, struct span value, struct arena *a)
{
	struct span rest = value;
	bool changed = false;
	SCOPED_BUF(b, 0);

	while (rest.n) {
		size_t open = span_chr(rest, '<'), from = open < rest.n ? open + 1 : rest.n;
		buf_span(&b, span_cut(rest, 0, from));
		rest = span_cut(rest, from, rest.n);
		size_t close = span_chr(rest, '>');
		struct span url = span_cut(rest, 0, close), now = lead(l, url, a);
		changed |= now.p != url.p;
		buf_span(&b, now);
		rest = span_cut(rest, close, rest.n);
	}
	return changed ? in_arena(&b, a) : value;
}

struct span
url_lead_field(const struct url_lead *l, struct span name, struct span value, struct arena *a)
{
	if (!l->family || !l->host.n || name.n < 4)
		return value;
	for (size_t i = 0; i < COUNT_OF(rows) && !rows[i].dialect; i++)
		if (span_ieq(name, span_str(rows[i].path)))
			return name.n == 4 ? lead_links(l, value, a) : lead(l, value, a);
	return value;
}
