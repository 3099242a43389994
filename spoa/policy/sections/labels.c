/* Reads `labels`: the names of what results of tools are. Example: {private: {results_of: [crm_get]}}. */
#include "policy/labels.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "policy/build.h"
#include "policy/cel/functions/glob.h"
#include "policy/policy.h"

enum { LABEL_BYTES = 64, PATTERN_BYTES = 256 };

/* words of tool.from() that are no labels */
static const char *const sources[] = { "user", "system", "model", "document", "text", "tool",
	"small", "unseen", "shown" };

bool
label_names(const struct label *l, struct span tool)
{
	for (size_t i = 0; i < l->nresults_of; i++)
		if (cel_glob(span_str(l->results_of[i]), tool))
			return true;
	return false;
}

bool
label_untrusted(const struct label *l)
{
	return !strcmp(l->name, "untrusted");
}

bool
labels_field(const struct label *labels, size_t n, struct span tool, struct span path)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < labels[i].nfields; k++) {
			const struct label_field *f = &labels[i].fields[k];
			if (!cel_glob(span_str(f->tool), tool))
				continue;
			for (size_t p = 0; p < f->npaths; p++)
				if (span_is(path, f->paths[p]))
					return true;
		}
	return false;
}

/* Reports a text that cannot be a tool's name or pattern, or a path. */
static bool
label_word(struct builder *b, const struct yaml_node *n, const char *what)
{
	bool ok = n->s.n && n->s.n <= PATTERN_BYTES && span_past(n->s, 0, is_visible) == n->s.n;

	if (!ok)
		diag_at(b->d, n, "labels: %s of 1 to %d visible bytes is expected, found %s", what,
			PATTERN_BYTES, yaml_found(n));
	return ok;
}

static void
read_fields(struct builder *b, const struct yaml_node *n, struct label *l)
{
	size_t most = 0;

	if (!n || !read_map(b->d, n, "fields", NULL, NULL))
		return;
	if (!label_untrusted(l)) {
		diag_at(b->d, n,
			"fields: only the label untrusted has fields: other results have no "
			"members that count as text");
		return;
	}
	for (const struct yaml_node *c = n->child; c; c = c->next)
		most++;
	l->fields = build_array(b, n, most, sizeof(*l->fields));
	for (const struct yaml_node *c = n->child; c && l->fields; c = c->next) {
		struct label_field *f = &l->fields[l->nfields];
		if (!label_word(b, c->key, "the name of a tool, or a pattern"))
			continue;
		f->tool = c->key->s.p;
		const struct yaml_node *t = build_each(b, c, "fields", &f->paths, &f->npaths);
		for (; t; t = yaml_next(c, t))
			label_word(b, t, "the path of a member, such as account.iban,");
		l->nfields++;
	}
}

void
build_labels(struct builder *b, const struct yaml_node *n)
{
	size_t most = 0;

	if (!n || !read_map(b->d, n, "labels", NULL, NULL))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next)
		most++;
	if (most > CAP_LABELS) {
		diag_at(b->d, n, "labels: more than %d labels", CAP_LABELS);
		return;
	}
	struct label *v = build_array(b, n, most, sizeof(*v));
	b->p->labels = v;
	for (const struct yaml_node *c = n->child; c && v; c = c->next) {
		struct label *l = &v[b->p->nlabels];
		l->at = c;
		if (!build_name(b, c->key, LABEL_BYTES, &l->name) ||
			!build_section(b, c, SECTION_LABEL, l))
			continue;
		for (size_t i = 0; i < COUNT_OF(sources); i++)
			if (!strcmp(l->name, sources[i]))
				diag_at(b->d, c->key, "labels: %s is the name of a source",
					l->name);
		const struct yaml_node *list = yaml_get(c, "results_of");
		const struct yaml_node *t = build_each(
			b, list, "results_of", &l->results_of, &l->nresults_of);
		for (; t; t = yaml_next(list, t))
			label_word(b, t, "the name of a tool, SERVER/TOOL or a pattern");
		read_fields(b, yaml_get(c, "fields"), l);
		b->p->nlabels++;
	}
}
