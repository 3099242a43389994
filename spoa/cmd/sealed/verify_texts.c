/* tollgate audit verify --texts: compares what each record states about a kept text with
 * the files next to the journal. If a file is missing but a trim record of the same journal
 * names it, its texts are counted as trimmed and not as faults. */
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "cmd/records/audit.h"
#include "cmd/records/opening.h"
#include "record/journal/chain.h"

/* The state of the verification, with the counts that are printed at its end. */
struct texts_check {
	struct audit_args *a;
	bool failed, trims_alone;
	uint64_t texts, bytes, cut, bad, trimmed;
	json_t *gone;  /* texts whose file is missing, by the file's name: {seq, node, id, part} */
	json_t *trims; /* names of files that trim records have */
	struct buf why;
};

/* Reports a text that is not as recorded: its record, the part, and the file in which it is
 * or begins. */
static void
bad_text(struct texts_check *c, const char *node, int64_t seq, const char *id, const char *part,
	const char *file, const char *why)
{
	c->bad++;
	if (c->a->as_json) {
		audit_print_json(json_pack("{sb ss ss sI ss ss ss}", "ok", 0, "node", node,
			"source", "texts", "seq", (json_int_t)seq, "id", id, "part", part,
			"why", why));
	} else {
		printf("bad node=%s source=texts seq=%" PRId64
		       " id=%s part=%s file=%s why=\"%s\"\n",
			node, seq, id, part, file, why);
	}
}

/* Notes that the first file of a text is missing. */
static void
missing_file(
	const json_t *kept, const char *journal, const char *node, char out[TEXTS_NAME_MAX])
{
	const json_t *at = json_object_get(kept, "at"), *one;
	bool last;
	unsigned part;
	size_t i;

	out[0] = '\0';
	SCOPED_BUF(ciphertext, 2 * TEXTS_PART_MAX);
	SCOPED_BUF(why, 4096);
	json_array_foreach(at, i, one)
	{
		uint64_t position = (uint64_t)json_integer_value(one);
		buf_clear(&ciphertext);
		if (texts_read(journal, node, position, &part, &last, &ciphertext, &why) !=
			ERR_NOTFOUND)
			continue;
		texts_name(node, position, out);
		return;
	}
}

static void
check_text(struct texts_check *c, const json_t *record, enum seal_kind kind)
{
	const json_t *kept = opening_kept(record, kind);
	const char *node = record_text(record, RF_NODE), *id = record_text(record, RF_ID);
	char file[TEXTS_NAME_MAX];

	if (!kept)
		return;
	buf_clear(&c->why);
	int err = chain_node_valid(span_str(node))
			  ? seal_check_text(kept, c->a->q.journal, node, &c->why)
			  : ERR_SYNTAX;
	if (err == ERR_NOTFOUND) {
		missing_file(kept, c->a->q.journal, node, file);
		json_t *list = json_object_get(c->gone, file);
		if (!list)
			json_object_set_new(c->gone, file, list = json_array());
		if (json_array_append_new(
			    list, json_pack("{sI ss ss ss}", "seq",
					  (json_int_t)record_int(record, RF_SEQ), "node", node,
					  "id", id, "part", seal_kinds[kind])) < 0)
			c->failed = true;
		return;
	}
	buf_putc(&c->why, '\0');
	if (err) {
		const json_t *first = json_array_get(json_object_get(kept, "at"), 0);
		texts_name(node, (uint64_t)json_integer_value(first), file);
		bad_text(c, node, record_int(record, RF_SEQ), id, seal_kinds[kind], file,
			c->why.n > 1 ? buf_view(&c->why).p : err_str(err));
		return;
	}
	c->texts++;
	c->bytes += (uint64_t)json_int_in(kept, "bytes");
	c->cut += json_is_true(json_object_get(kept, "cut"));
}

static void
texts_line(void *arg, struct span line)
{
	struct texts_check *c = arg;
	/* Strings in a record contain no unescaped quote, so this pattern is a member. */
	static const char names[] = "kept\":{";
	const json_t *one;
	size_t i;
	bool trim = span_is(chain_member(line, "type"), "\"trim\"");

	if (!trim && !memmem(line.p, line.n, names, sizeof(names) - 1))
		return;
	json_auto_t *record = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	json_array_foreach(json_object_get(trim ? record : NULL, "texts"), i, one)
	{
		const char *file = json_str_in(one, "file");
		if (file && json_object_set_new(c->trims, file, json_true()) < 0)
			c->failed = true;
	}
	for (enum seal_kind k = SEAL_PROMPT; record && !c->trims_alone && k <= SEAL_TOOLS; k++)
		check_text(c, record, k);
}

static bool
all_trimmed(const struct texts_check *c)
{
	const char *file;
	json_t *list;

	json_object_foreach(
		c->gone, file, list) if (!json_object_get(c->trims, file)) return false;
	return true;
}

/* Decides about missing files: trimmed, if a trim record names them, or missing. */
static void
judge_gone(struct texts_check *c)
{
	const char *file;
	json_t *list;

	json_object_foreach(c->gone, file, list)
	{
		static const char why[] =
			"missing: the file does not exist, and no trim record names it";
		json_t *one;
		size_t i;
		if (json_object_get(c->trims, file)) {
			c->trimmed += json_array_size(list);
			continue;
		}
		json_array_foreach(list, i, one)
			bad_text(c, json_text_in(one, "node"), json_int_in(one, "seq"),
				json_text_in(one, "id"), json_text_in(one, "part"), file, why);
	}
}

static void
say_texts(const struct texts_check *c)
{
	const struct {
		const char *name;
		uint64_t n;
	} said[] = { { "texts", c->texts }, { "bytes", c->bytes }, { "cut", c->cut },
		{ "trimmed", c->trimmed }, { "bad", c->bad } };

	if (c->a->as_json) {
		json_t *o = json_pack("{sb ss}", "ok", c->bad == 0, "source", "texts");
		for (size_t i = 0; i < COUNT_OF(said); i++)
			json_object_set_new(
				o, said[i].name, json_integer((json_int_t)said[i].n));
		audit_print_json(o);
		return;
	}
	printf("%s source=texts", c->bad ? "bad" : "ok");
	for (size_t i = 0; i < COUNT_OF(said); i++)
		printf(" %s=%" PRIu64, said[i].name, said[i].n);
	putchar('\n');
}

int
audit_verify_texts(struct audit_args *a, bool *ok, struct buf *why)
{
	struct texts_check c = { .a = a, .gone = json_object(), .trims = json_object() };
	const struct query q = { .journal = a->q.journal,
		.restored = a->q.restored,
		.arg = &c,
		.line = texts_line };

	buf_init(&c.why, 4096);
	int err = c.gone && c.trims ? query_read(&q, why) : ERR_NOMEM;
	/* A running daemon may have trimmed files in the meantime, and its trim record was
	 * not yet read. */
	c.trims_alone = true;
	if (!err && !all_trimmed(&c))
		err = query_read(&q, why);
	if (!err && c.failed)
		err = ERR_NOMEM;
	if (!err) {
		judge_gone(&c);
		say_texts(&c);
		*ok = *ok && !c.bad;
	}
	json_decref(c.gone);
	json_decref(c.trims);
	buf_free(&c.why);
	return err;
}
