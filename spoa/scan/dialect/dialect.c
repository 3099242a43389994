/* The list of families, and the interpretation of a method and path in one of them.
 *
 * First the row of a path is found. Rows are compared from the last segment backwards, because
 * clients' base URLs add unknown segments in front. The row indexes are built once, at the
 * first lookup. dialect_endpoint() turns the row's flags into a struct endpoint. The last section
 * reads and replaces the model in a path.
 *
 * The family `rest`, for any other JSON, form or plain text, is here too. Its strings have no
 * roles, no member is required, and its errors have OpenAI's form, which most clients know. */
#include <pthread.h>
#include <stdio.h>

#include "base/among.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/dialect/family.h"
#include "scan/dialect/openai.h"
#include "scan/dialect/urls.h"

/* ---- the row of a path ---- */

#define OPEN "/{more}"

const char *const no_base[] = { "", NULL };

/* Removes the last segment from *path and returns it without its slash. False if none is
 * left. */
static bool
last_segment(struct span *path, struct span *segment)
{
	size_t at = span_behind(*path, '/');

	if (!at)
		return false;
	*segment = span_of(path->p + at, path->n - at);
	path->n = at - 1;
	return true;
}

/* Compares one segment of a path with one of a row. Sets *model if the row's segment is
 * {model}. Example: "gpt-4:generate" matches "{model}:generate" with the model "gpt-4". */
static bool
segment_matches(struct span segment, struct span pattern, struct span *model)
{
	struct span placeholder = SPAN_LIT("{model}");

	if (!pattern.n || *pattern.p != '{')
		return span_eq(segment, pattern);
	if (span_is(pattern, "{id}"))
		return segment.n > 0;
	if (!span_starts(pattern, placeholder))
		return span_eq(segment, pattern);
	struct span verb = span_cut(pattern, placeholder.n, pattern.n);
	if (segment.n <= verb.n || !span_ends(segment, verb))
		return false;
	*model = span_cut(segment, 0, segment.n - verb.n);
	return true;
}

/* Returns the number of segments of the row if the path ends with them, or 0. *base: the part
 * of the path before them. */
static unsigned
path_matches(struct span path, struct span pattern, struct span *base, struct span *model)
{
	struct span mine, theirs;
	unsigned n = 0;

	*model = (struct span){ NULL, 0 };
	while (last_segment(&pattern, &mine)) {
		if (!last_segment(&path, &theirs) || !segment_matches(theirs, mine, model))
			return 0;
		n++;
	}
	*base = path;
	return n;
}

static bool
is_base(const struct dialect *d, const struct endpoint_row *r, struct span base)
{
	struct span rest, model;

	if (r->flags & E_ROOT)
		return base.n == 0;
	for (const char *const *b = d->bases; b && *b; b++) {
		if (!**b ? base.n == 0
			 : path_matches(base, span_str(*b), &rest, &model) && rest.n == 0)
			return true;
	}
	return false;
}

static bool
takes(const struct endpoint_row *r, struct span method)
{
	return !r->method || !method.n || span_is(method, r->method);
}

/* Returns true if the path is a base of the family, the row, and any further segments. An empty
 * base counts only if the family has no other base: in /threads/v1/chat/completions, "threads"
 * may be another server's prefix. */
static bool
opens(const struct dialect *d, const struct endpoint_row *r, struct span path)
{
	struct span row = span_str(r->path), base, segment, model;
	bool bare = r->flags & E_ROOT || !d->bases[1];

	row.n -= strlen(OPEN);
	do {
		if (path_matches(path, row, &base, &model) && (base.n || bare) &&
			is_base(d, r, base))
			return true;
	} while (last_segment(&path, &segment) && segment.n);
	return false;
}

static size_t
bucket_of(struct span segment, size_t behind)
{
	return (span_hash(segment) + behind) % ENDPOINT_BUCKETS;
}

void
endpoint_index_make(struct endpoint_index *x, const struct endpoint_row *rows)
{
	size_t n = 0;

	x->rows = rows;
	while (rows && rows[n].path)
		n++;
	/* a failure of this check, as of all checks in this file, means that a table of this
	 * program is wrong */
	INVARIANT(n <= ENDPOINTS_MOST);
	while (n--) {
		struct span rest = span_str(rows[n].path), segment;
		size_t behind = 0;
		if (span_ends(span_str(rows[n].path), SPAN_LIT(OPEN))) {
			x->next[n] = x->open;
			x->open = (uint16_t)(n + 1);
			continue;
		}
		while (last_segment(&rest, &segment) && segment.p[0] == '{')
			behind++;
		INVARIANT(behind < ENDPOINT_BEHIND && segment.p[0] != '{');
		size_t at = bucket_of(segment, behind);
		x->next[n] = x->first[at];
		x->first[at] = (uint16_t)(n + 1);
	}
}

const struct endpoint_row *
endpoint_row_find(const struct dialect *d, const struct endpoint_index *x, struct span method,
	struct span path, bool whole, struct span *model)
{
	const struct endpoint_row *best = NULL, *r;
	struct span rest = path, segment;
	bool based = false; /* a base of the family precedes the best row so far */
	unsigned most = 0;

	for (size_t behind = 0; behind < ENDPOINT_BEHIND && last_segment(&rest, &segment);
		behind++)
		for (size_t i = x->first[bucket_of(segment, behind)]; i; i = x->next[i - 1]) {
			struct span base, named;
			r = &x->rows[i - 1];
			if (!takes(r, method))
				continue;
			unsigned n = path_matches(path, span_str(r->path), &base, &named);
			if (n < most || n == 0 || (n == most && r > best) ||
				(whole && !is_base(d, r, base)))
				continue;
			based = whole || is_base(d, r, base);
			most = n;
			best = r;
			*model = named;
		}
	for (size_t i = x->open; !based && i; i = x->next[i - 1]) {
		r = &x->rows[i - 1];
		if (!takes(r, method) || !opens(d, r, path))
			continue;
		*model = (struct span){ NULL, 0 };
		return r;
	}
	return best;
}

/* Returns true if the path ends with one of these paths. */
static bool
endpoint_is_among(const char *const *paths, struct span path)
{
	struct span base, model;

	for (; paths && *paths; paths++)
		if (path_matches(path, span_str(*paths), &base, &model))
			return true;
	return false;
}

/* ---- the family `rest` ---- */

/* clang-format off */
/* Places where clients return content that a provider sealed, for APIs without a table of their
 * own: Gemini, Anthropic's blocks on other paths and in batches, Bedrock. */
#define GEMINI(at) \
	{ at "contents[*].parts[*].thoughtSignature",      NULL, 0, NULL }, \
	{ at "contents[*].parts[*].thought_signature",     NULL, 0, NULL }
#define ANTHROPIC(at) \
	{ at "messages[*].content[*].signature",           "thinking", 1, ALONE_BLOCK }, \
	{ at "messages[*].content[*].data",                "redacted_thinking", 1, ALONE_BLOCK }, \
	{ at "messages[*].content[*].content[*].encrypted_content", "web_search_result", 0, NULL }

static const struct seal_row rest_seals[] = {
	SEALS_OPENAI,
	GEMINI(""),
	GEMINI("generateContentRequest."),
	GEMINI("requests[*].request."),
	ANTHROPIC(""),
	ANTHROPIC("requests[*].params."),
	{ "messages[*].content[*].reasoningContent.reasoningText.signature", NULL, 3, ALONE_TEXT },
	{ "messages[*].content[*].reasoningContent.redactedContent", NULL, 2, ALONE_TEXT },
	{ 0 },
};

/* clang-format on */

static const struct table table_rest = { .no_models = true, .seals = rest_seals, .tree = TREE };
/* For a family's paths without a table. Unlike in table_rest, members that name a model
 * count. */
static const struct table table_any = { .seals = rest_seals, .tree = TREE };

const struct dialect dialect_rest = {
	.name = "rest",
	.error = error_openai,
};

/* ---- families ---- */

static const struct dialect *const all[] = { &dialect_openai, &dialect_anthropic,
	&dialect_gemini, &dialect_bedrock, &dialect_cohere, &dialect_mistral, &dialect_ollama,
	&dialect_tgi, &dialect_mcp, &dialect_rest };
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char names[256];
static struct endpoint_index endpoints[COUNT_OF(all)];

static void
prepare_tables(void)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(all); i++) {
		n += (size_t)snprintf(
			names + n, sizeof(names) - n, "%s%s", i ? ", " : "", all[i]->name);
		endpoint_index_make(&endpoints[i], all[i]->endpoints);
	}
	INVARIANT(n < sizeof(names)); /* the names are constants of this program */
}

static const struct endpoint_row *
find_row(const struct dialect *d, struct span method, struct span path, bool whole,
	struct span *model)
{
	size_t i = 0;

	pthread_once(&once, prepare_tables);
	while (all[i] != d)
		i++;
	return endpoint_row_find(d, &endpoints[i], method, path, whole, model);
}

/* Returns the length of the part of a base that is none of the family's bases. */
static size_t
foreign_base(const struct dialect *d, const struct endpoint_row *r, struct span base)
{
	size_t n = base.n;
	struct span rest, model;

	for (const char *const *b = d->bases; !(r->flags & E_ROOT) && b && *b; b++)
		if (**b && path_matches(base, span_str(*b), &rest, &model) && rest.n < n)
			n = rest.n;
	return n;
}

bool
dialect_prefix(const struct dialect *d, struct span path, size_t *n)
{
	struct span model, base = { NULL, 0 }, rest = path, row, segment;
	const struct endpoint_row *r = find_row(d, SPAN_LIT(""), path, false, &model);

	*n = 0;
	if (!r)
		return false;
	row = span_str(r->path);
	if (span_ends(row, SPAN_LIT(OPEN)))
		row.n -= strlen(OPEN);
	while (!path_matches(rest, row, &base, &model))
		if (!last_segment(&rest, &segment))
			return false;
	*n = foreign_base(d, r, base);
	return true;
}

const struct dialect *
dialect_find(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (span_is(name, all[i]->name))
			return all[i];
	return NULL;
}

const char *
dialect_name(const struct dialect *d)
{
	return d->name;
}

const char *
dialect_names(void)
{
	pthread_once(&once, prepare_tables);
	return names;
}

bool
dialect_has_model(const struct dialect *d)
{
	return d != &dialect_rest && d != &dialect_mcp;
}

bool
dialect_is_of_mcp(const struct dialect *d)
{
	return d == &dialect_mcp;
}

const struct table *
dialect_table(const struct dialect *d)
{
	return d->main ? d->main : &table_rest;
}

/* Endpoints whose errors, usage and streams are those of another family. */
static const struct {
	const struct table *table;
	const struct dialect *dialect;
} speaks[] = {
	{ &table_chat, &dialect_openai },
	{ &table_completions, &dialect_openai },
	{ &table_responses, &dialect_openai },
	{ &table_messages, &dialect_anthropic },
	{ &table_messages_no_model, &dialect_anthropic },
};

const struct dialect *
dialect_for_path(struct span path, bool refused)
{
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (endpoint_is_among(all[i]->tells, path) ||
			(refused && endpoint_is_among(all[i]->hints, path)))
			return all[i];
	return &dialect_rest;
}

bool
dialect_serves(
	const struct dialect *d, struct span method, struct span path, struct span prefix)
{
	struct span model;

	if (prefix.n && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	if (!span_starts(path, prefix))
		return false;
	return find_row(d, method, span_cut(path, prefix.n, path.n), true, &model) != NULL;
}

bool
endpoint_makes_images(const struct endpoint *e)
{
	return e->name && !strcmp(e->name, "images");
}

struct endpoint
dialect_endpoint(const struct dialect *d, struct span method, struct span path)
{
	struct span model = { NULL, 0 };
	const struct endpoint_row *r = find_row(d, method, path, false, &model);
	struct endpoint e = { .dialect = d,
		.family = d,
		.table = d->other ? d->other : &table_rest,
		.bare_models = d->bare_models,
		.free = dialect_is_of_mcp(d) };

	e.may_be_empty = !e.table->json;
	if (!r)
		return e;
	e.name = r->name;
	e.table = r->table ? r->table : &table_any;
	for (size_t i = 0; i < COUNT_OF(speaks); i++)
		if (e.table == speaks[i].table)
			e.dialect = speaks[i].dialect;
	e.may_be_empty = !e.table->json || r->flags & E_EMPTY;
	e.streams = r->flags & E_STREAMS;
	e.stored = r->flags & E_STORED;
	e.unseen = r->flags & E_UNSEEN;
	e.free = r->flags & E_FREE;
	e.beside = r->flags & E_BESIDE;
	e.leads = dialect_leads(d, r->name);
	if (model.n) {
		e.model = (size_t)(model.p - path.p);
		e.model_end = e.model + model.n;
		if (r->flags & E_TWO)
			e.model = span_behind(span_cut(path, 0, e.model - 1), '/');
	}
	return e;
}

/* ---- the model in a path ---- */

/* Returns true if no piece is empty or a dot segment. A provider that decodes %2F would
 * otherwise normalize the path differently. */
static bool
is_plain_model(struct span model)
{
	struct span rest = model;

	if (span_chr(model, '\\') < model.n || (model.n && model.p[model.n - 1] == '/'))
		return false;
	while (rest.p) {
		struct span piece = span_next(&rest, '/');
		struct span name = span_cut(piece, 0, span_chr(piece, ';'));
		if (!piece.n || span_is(name, ".") || span_is(name, ".."))
			return false;
	}
	return true;
}

int
endpoint_check_path(const struct endpoint *e, struct span path, struct body_refusal *why)
{
	char text[512];
	size_t n = 0;

	for (size_t i = 0; i + 2 < path.n; i++) {
		int c = path.p[i] == '%' ? uri_escape_at(path.p + i, path.p + path.n) : 0;
		bool inside = i >= e->model && i < e->model_end;
		if ((c == '/' || c == ':') && !inside)
			return refuse_path(why, i,
				c == '/' ? "it has an encoded separator"
					 : "it has an encoded colon");
	}
	for (size_t i = e->model; i < e->model_end; i++) {
		int c = path.p[i];
		if (n == sizeof(text))
			return refuse_path(why, e->model, "its model name is too long");
		if (c == '%') {
			c = uri_escape_at(path.p + i, path.p + path.n);
			i += 2;
		}
		text[n++] = (char)c;
	}
	if (e->model_end && !is_plain_model(span_of(text, n)))
		return refuse_path(
			why, e->model, "its model name has an empty segment or a dot segment");
	return 0;
}

static struct span
bare_model(struct span model)
{
	return span_cut(model, span_behind(model, '/'), model.n);
}

static bool
is_same_model(const struct endpoint *e, struct span x, struct span y)
{
	return span_eq(x, y) || (e->bare_models && span_eq(bare_model(x), bare_model(y)));
}

/* Shortens a model's resource name to the form of paths: "projects/p/…/models/x" becomes "x",
 * and "…/tunedModels/x" becomes "tunedModels/x". */
static struct span
short_name(struct span model)
{
	struct span name = bare_model(model), two;

	if (name.n == model.n)
		return model;
	two = bare_model(span_cut(model, 0, model.n - name.n - 1));
	if (span_is(two, "models"))
		return name;
	if (span_is(two, "tunedModels") || span_is(two, "endpoints"))
		return span_of(two.p, two.n + 1 + name.n);
	return model;
}

/* Adds the parameter `stream`, so that a rule's request.stream is true even if only the path
 * requests a stream. */
static int
add_stream(struct arena *a, struct body *b)
{
	for (size_t i = 0; i < b->nparams; i++)
		if (span_is(b->params[i].name, "stream"))
			return 0;
	struct body_param *v = arena_array(a, b->nparams + 1, sizeof(*v));
	if (!v)
		return ERR_NOMEM;
	if (b->nparams)
		memcpy(v, b->params, b->nparams * sizeof(*v));
	v[b->nparams++] =
		(struct body_param){ SPAN_LIT("stream"), PARAM_BOOL, SPAN_LIT("true") };
	b->params = v;
	return 0;
}

int
endpoint_settle(const struct endpoint *e, struct span path, struct arena *a, struct body *b,
	struct body_refusal *why)
{
	struct span model;

	for (size_t i = 0; e->bare_models && i < b->nothers; i++)
		b->others[i] = short_name(b->others[i]);
	for (size_t i = 0; e->bare_models && i < b->marks.nmodels; i++)
		b->marks.model[i].name = short_name(b->marks.model[i].name);
	if (e->bare_models && b->model.p)
		b->model = short_name(b->model);
	/* jobs, agents and sessions name their model only in `others` */
	if (!b->model.p && b->nothers && !e->table->cap)
		b->model = b->others[0];
	b->stream |= e->streams;
	if (b->stream && add_stream(a, b))
		return ERR_NOMEM;
	if (!e->model_end)
		return 0;
	if (uri_decode(span_cut(path, e->model, e->model_end), false, a, &model))
		return ERR_NOMEM;
	for (size_t i = 0; i < b->marks.nmodels; i++)
		if (!b->marks.model[i].null && !is_same_model(e, b->marks.model[i].name, model))
			return refuse(why, 400, "ambiguous_model", b->marks.model[i].start,
				"the path and the body name different models");
	b->model = model;
	return 0;
}

int
endpoint_amend(const struct endpoint *e, struct span path, struct span model, struct arena *a,
	struct splice *edit)
{
	struct span rest = model;

	if (!e->model_end || !model.n)
		return 0;
	SCOPED_BUF(out, 3 * model.n);
	/* In tunedModels/x the slash separates segments and must not be encoded. */
	bool two = memchr(path.p + e->model, '/', e->model_end - e->model);
	while (rest.p) {
		struct span piece = two ? span_next(&rest, '/') : rest;
		uri_encode(&out, piece, false);
		if (!two)
			break;
		if (rest.p)
			buf_putc(&out, '/');
	}
	struct span with = arena_kept(a, &out);
	if (!with.p)
		return ERR_NOMEM;
	*edit = (struct splice){ e->model, e->model_end, with };
	return !span_eq(with, span_cut(path, e->model, e->model_end));
}
