/* Finds the shipped files and the stanza's pieces, and recognizes the lines that this version
 * or an earlier one laid. */
#include "base/among.h"
#include "operator/edge/haproxy_file.h"
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
		    rest = shipped(
			    joint ? "spoa/operator/edge/joint.cfg" : "haproxy/bolt-on.cfg");
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

enum shipped_later
shipped_later(struct span line)
{
	if (span_holds(line, SPAN_LIT("header x-tollgate-said ")) ||
		span_holds(line, SPAN_LIT("header x-tollgate-why ")))
		return LATER_SAID;
	if (span_holds(line, SPAN_LIT("unset-var(txn.tollgate.via)")))
		return LATER_SOCKET;
	if (span_holds(line, SPAN_LIT("var(txn.tollgate.internal)")))
		return LATER_CALLER;
	return span_holds(line, SPAN_LIT("var(txn.tollgate.set_")) ? LATER_CREDENTIAL : LATER_NONE;
}

/* Writes a shipped line as earlier versions had it, so that a user's old line is recognized.
 * For example, `if tollgate-gated` becomes `if tollgate !tollgate-inner`. */
void
shipped_older(struct span line, struct buf *out)
{
	static const char gated[] = "tollgate-gated",
			  undecided[] = " or tollgate !tollgate-inner !{ "
					"var(txn.tollgate_gated) -m found }";
	/* These lines applied to both passes. */
	const char *was =
		span_holds(line, SPAN_LIT("del-header")) ? "tollgate" : "tollgate !tollgate-inner";
	struct {
		const char *text, *was;
	} const changed[] = { { gated, was }, { undecided, "" } };

	if (span_holds(line, SPAN_LIT("acl tollgate-gated")) ||
		span_holds(line, SPAN_LIT("set-var(txn.tollgate_gated)")))
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

/* Matches a row of haproxy/laid.lst, where `…` stands for any text. On a mismatch, the last `…`
 * takes one more byte. */
static bool
row_matches(struct span row, struct span text)
{
	const struct span any = SPAN_LIT("…");
	size_t i = 0, k = 0, row_again = SIZE_MAX, text_again = 0;

	for (;;) {
		if (span_starts(span_cut(row, i, row.n), any)) {
			row_again = i += any.n;
			text_again = k;
		} else if (k == text.n) {
			return i == row.n;
		} else if (i < row.n && row.p[i] == text.p[k]) {
			i++;
			k++;
		} else if (row_again == SIZE_MAX) {
			return false;
		} else {
			i = row_again;
			k = ++text_again;
		}
	}
}

bool
shipped_earlier(struct span line)
{
	struct span rows = shipped("haproxy/laid.lst");

	while (rows.n) {
		struct span row = span_next(&rows, '\n');
		if (row.n && *row.p != '#' && row_matches(row, line))
			return true;
	}
	return false;
}
