/* How far a follower is: a small file, written whole. Anybody may have written it. */
#include <string.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/why.h"
#include "cmd/export/export.h"

/* The whole number of a member, 0 or more. */
static bool
position_number(const json_t *o, const char *name, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);

	*out = (uint64_t)json_integer_value(v);
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

static int
bad(struct buf *why, const char *what)
{
	return why_err(why, ERR_SYNTAX, "%s", what);
}

int
export_position_read(struct span text, struct export_position *out, struct buf *why)
{
	json_auto_t *o = text.n <= EXPORT_POSITION_MAX
				 ? json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL)
				 : NULL;
	json_t *nodes = json_object_get(o, "nodes"), *file = json_object_get(o, "file"), *v;
	const char *format = json_text_in(o, "format"), *node;

	*out = (struct export_position){ .n = 0 };
	if (!json_is_object(o) || json_int_in(o, "v") != 1)
		return bad(why, "not a position of an export");
	if (!format[0] || strlen(format) >= sizeof(out->format))
		return bad(why, "format is missing");
	memcpy(out->format, format, strlen(format) + 1);
	if (!json_is_object(nodes) || json_object_size(nodes) > EXPORT_NODES_MAX)
		return bad(why, "nodes is missing, or has too many");
	json_object_foreach(nodes, node, v)
	{
		struct export_reached *r = &out->at[out->n];
		if (!chain_node_valid(span_str(node)) || !position_number(v, "seq", &r->seq) ||
			!r->seq || !chain_unhex(json_span(json_object_get(v, "hash")), r->hash))
			return bad(why, "nodes: a name, seq or hash is none");
		memcpy(r->node, node, strlen(node) + 1);
		out->n++;
	}
	out->file = json_is_object(file);
	if (out->file ? !position_number(file, "device", &out->device) ||
				!position_number(file, "inode", &out->inode) ||
				!position_number(file, "bytes", &out->bytes)
		      : !json_is_null(file))
		return bad(why, "file is missing, or not what it has to be");
	return 0;
}

void
export_position_write(const struct export_position *p, struct buf *out)
{
	char hex[2 * SHA256_BYTES + 1];

	json_put_form(out, "{'v':1,'format':%s,'nodes':{", p->format);
	for (size_t i = 0; i < p->n; i++) {
		chain_hex(p->at[i].hash, hex);
		json_put_name(out, p->at[i].node);
		json_put_form(out, "{'seq':%u,'hash':%s}", p->at[i].seq, hex);
	}
	json_put_close(out, '}');
	if (p->file)
		json_put_form(out, "'file':{'device':%u,'inode':%u,'bytes':%u}", p->device,
			p->inode, p->bytes);
	else
		json_put_null(out, "file");
	buf_str(out, "}\n");
}
