/* Finds the blocks that clients mark in a person's message. The table has the marks of the clients'
 * own requests. A block begins at the beginning of a line and ends with its end mark; a block without
 * an end is user text. Gemini CLI and Qwen Code send the marks as parts of their own, so that the
 * parts between them are files. */
#include "scan/text/marked.h"

#include "base/attr.h"

/* clang-format off */
static const struct mark {
	const char *begin, *end;
	const char *unless; /* a block that begins with this, after a line end, is user text; NULL: none */
	enum seg_role role;
} marks[] = {
	/* Claude Code and its SDK: CLAUDE.md, other context; and a message that the person typed while
	 * the agent worked */
	{ "<system-reminder>",       "</system-reminder>",       "The user sent a new message", ROLE_DOCUMENT },
	{ "<bash-stdout>",           "</bash-stdout>",           NULL, ROLE_TOOL_RESULT },
	{ "<bash-stderr>",           "</bash-stderr>",           NULL, ROLE_TOOL_RESULT },
	{ "<local-command-stdout>",  "</local-command-stdout>",  NULL, ROLE_TOOL_RESULT },
	{ "<local-command-stderr>",  "</local-command-stderr>",  NULL, ROLE_TOOL_RESULT },
	/* Claude Code in an editor: the selected lines of a file */
	{ "<ide_selection>The user selected ", "</ide_selection>", NULL, ROLE_DOCUMENT },
	/* Codex in an editor: the same, before the person's text */
	{ "## Active selection of the file:", "\n## My request for Codex:", NULL, ROLE_DOCUMENT },
	/* Codex: AGENTS.md */
	{ "# AGENTS.md instructions for ", "</INSTRUCTIONS>",    NULL, ROLE_DOCUMENT },
	{ "<user_instructions>",     "</user_instructions>",     NULL, ROLE_DOCUMENT },
	/* Gemini CLI and Qwen Code: GEMINI.md, QWEN.md, AGENTS.md */
	{ "--- Context from: ",      "--- End of Context from: ", NULL, ROLE_DOCUMENT },
	/* opencode, Cline, pi: files that the person names */
	{ "<path>",                  "\n</content>",             NULL, ROLE_DOCUMENT },
	{ "<file_content path=",     "</file_content>",          NULL, ROLE_DOCUMENT },
	{ "<file name=\"",           "\n</file>",               NULL, ROLE_DOCUMENT },
};
/* clang-format on */
static const char parts_begin[] = "--- Content from referenced files ---";
static const char parts_end[] = "--- End of content ---";

enum { PARTS_MOST = 256 }; /* segments that are compared with the marks of parts, on each side */

static bool
is_parts_mark(const struct segment *s, const char *mark)
{
	return span_is(span_trim(s->text, " \r\n"), mark);
}

/* Returns true if the segment belongs to a message of somebody else, so that no part of the
 * message before or after it is reached. */
static bool
is_other_message(const struct segment *s)
{
	return s->role == ROLE_ASSISTANT || s->role == ROLE_SYSTEM ||
	       s->role == ROLE_TOOL_CALL || s->role == ROLE_TOOL_RESULT;
}

/* Returns ROLE_DOCUMENT if the segment is between the marks of Gemini CLI's parts. */
static enum seg_role
role_by_parts(const struct body *b, const struct segment *s)
{
	size_t at = (size_t)(s - b->segments), most;
	bool begun = false;

	most = at < PARTS_MOST ? at : PARTS_MOST;
	for (size_t i = 1; i <= most && !begun; i++) {
		const struct segment *o = s - i;
		if (is_other_message(o) || is_parts_mark(o, parts_end))
			return ROLE_USER;
		begun = is_parts_mark(o, parts_begin);
	}
	most = b->nsegments - at - 1 < PARTS_MOST ? b->nsegments - at - 1 : PARTS_MOST;
	for (size_t i = 1; begun && i <= most; i++) {
		const struct segment *o = s + i;
		if (is_other_message(o))
			return ROLE_USER;
		if (is_parts_mark(o, parts_end))
			return ROLE_DOCUMENT;
	}
	return ROLE_USER;
}

/* Returns the mark with which the line begins; NULL: none. */
static const struct mark *
block_mark(struct span line)
{
	for (size_t i = 0; i < COUNT_OF(marks); i++)
		if (span_starts(line, span_str(marks[i].begin)))
			return &marks[i];
	return NULL;
}

/* Sets the next block of the text from `at` on. */
static void
next_block(struct marked *m, struct span text, size_t at)
{
	m->end = SIZE_MAX;
	while (at < text.n) {
		struct span rest = span_cut(text, at, text.n);
		const struct mark *k = block_mark(rest);
		const char *end = k ? memmem(rest.p, rest.n, k->end, strlen(k->end)) : NULL;
		if (end) {
			struct span inside =
				span_cut(rest, strlen(k->begin), (size_t)(end - rest.p));
			bool typed = k->unless && span_starts(span_trim(inside, " \r\n"),
							  span_str(k->unless));
			m->start = at;
			m->role = typed ? ROLE_USER : k->role;
			m->end = (size_t)(end - text.p) + strlen(k->end);
			return;
		}
		at += span_chr(rest, '\n') + 1;
	}
}

uint16_t
marked_roles(const struct body *b, const struct segment *s, size_t start, size_t end,
	struct marked *last)
{
	uint16_t roles = segment_roles(s);

	if (s->role != ROLE_USER)
		return roles;
	if (last->s != s || last->text.p != s->text.p || last->text.n != s->text.n) {
		bool inside = s >= b->segments && s < b->segments + b->nsegments;
		*last = (struct marked){ .s = s,
			.text = s->text,
			.part = inside ? role_by_parts(b, s) : ROLE_USER };
		next_block(last, s->text, 0);
	} else if (last->end != SIZE_MAX && start < last->start) {
		next_block(last, s->text, 0);
	}
	while (last->end != SIZE_MAX && last->end <= start)
		next_block(last, s->text, last->end);
	enum seg_role role = last->part;
	if (last->end != SIZE_MAX && start >= last->start && end <= last->end)
		role = last->role;
	return (uint16_t)((roles & ~(1u << ROLE_USER)) | 1u << role);
}
