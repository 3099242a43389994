/* The shipped files by name, and the pieces of the stanza. */
#include "operator/edge/shipped.h"

struct span
shipped(const char *name)
{
	for (size_t i = 0; i < shipped_files_count; i++)
		if (!strcmp(shipped_files[i].name, name))
			return span_of(shipped_files[i].text, shipped_files[i].n);
	return span_of(NULL, 0);
}

struct span
shipped_piece(enum shipped_piece piece)
{
	bool joint = piece >= PIECE_JOINT_STANZA;
	struct span mark = SPAN_LIT("#---"),
		    rest = shipped(joint ? "spoa/operator/edge/joint.cfg" : "haproxy/bolt-on.cfg");
	const char *from = NULL;
	int n = joint ? PIECE_JOINT_STANZA - 1 : -1;

	while (rest.p) {
		struct span line = span_next(&rest, '\n');
		if (!span_starts(line, mark))
			continue;
		if (from)
			return span_of(from, (size_t)(line.p - from));
		if (++n == (int)piece)
			from = rest.p;
	}
	return span_of(NULL, 0);
}

static bool
shipped_holds(struct span s, const char *text)
{
	return s.n && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

enum shipped_later
shipped_later(struct span line)
{
	if (shipped_holds(line, "header x-tollgate-said ") ||
		shipped_holds(line, "header x-tollgate-why "))
		return LATER_SAID;
	if (shipped_holds(line, "unset-var(txn.tollgate.via)"))
		return LATER_SOCKET;
	return shipped_holds(line, "var(txn.tollgate.set_") ? LATER_CREDENTIAL : LATER_NONE;
}

void
shipped_older(struct span line, struct buf *out)
{
	static const char gated[] = "tollgate-gated",
			  undecided[] = " or tollgate !tollgate-inner !{ "
					"var(txn.tollgate_gated) -m found }";
	/* these were for both passes */
	const char *was =
		shipped_holds(line, "del-header") ? "tollgate" : "tollgate !tollgate-inner";
	struct {
		const char *text, *was;
	} const changed[] = { { gated, was }, { undecided, "" } };

	if (shipped_holds(line, "acl tollgate-gated") ||
		shipped_holds(line, "set-var(txn.tollgate_gated)"))
		return;
	while (line.n) {
		size_t at = line.n, which = 0;
		for (size_t i = 0; i < COUNT_OF(changed); i++) {
			const char *p = memmem(
				line.p, line.n, changed[i].text, strlen(changed[i].text));
			if (p && (size_t)(p - line.p) < at) {
				at = (size_t)(p - line.p);
				which = i;
			}
		}
		buf_span(out, span_cut(line, 0, at));
		if (at == line.n)
			return;
		buf_str(out, changed[which].was);
		line = span_cut(line, at + strlen(changed[which].text), line.n);
	}
}
