/* tollgate audit verify --program: compares programs with the boot records of a chain,
 * which contain the SHA-256 of the program that ran (record/audit/measure.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/codec/json_text.h"
#include "cmd/cmd.h"
#include "cmd/records/audit.h"
#include "cmd/records/audit_note.h"
#include "record/audit/measure.h"

int
audit_programs_read(
	const struct audit_args *a, unsigned char hash[AUDIT_PROGRAMS][CHAIN_HASH_BYTES])
{
	uint64_t bytes;

	for (size_t i = 0; i < a->nprograms; i++) {
		int err = measure_file(a->program[i], hash[i], &bytes);
		if (err)
			return cmd_fail(a->q.what, "--program: %s: %s", a->program[i],
				strerror(-err));
	}
	return 0;
}

/* Returns the SHA-256 in hexadecimal digits, or NULL if the record has none. */
static const char *
measured_program(const json_t *record)
{
	json_t *file;
	size_t i;

	json_array_foreach(json_object_get(record, "measured"), i, file)
	{
		const char *what = json_str_in(file, "what");
		if (what && !strcmp(what, "program"))
			return json_str_in(file, "sha256");
	}
	return NULL;
}

void
audit_program_record(struct program_check *c, const struct chain_line *l, struct span line)
{
	unsigned char hash[CHAIN_HASH_BYTES];

	if (!span_is(l->type, "boot"))
		return;
	json_auto_t *o = json_loadb(line.p, line.n, 0, NULL);
	const char *hex = measured_program(o);
	c->boots++;
	if (!hex || !sha256_read(span_str(hex), hash)) {
		c->unstated++;
		return;
	}
	for (size_t i = 0; i < c->nhashes; i++)
		if (!memcmp(hash, c->hash[i], sizeof(hash))) {
			c->same++;
			return;
		}
	if (c->other++)
		return;
	const char *stated = json_str_in(o, "commit");
	char commit[65];
	c->other_seq = l->seq;
	snprintf(c->why, sizeof(c->why),
		"another program: boot %" PRIu64 " ran commit %s, SHA-256 %s", l->boot,
		audit_note_plain(span_str(stated ? stated : "?"), commit, sizeof(commit)), hex);
}

bool
audit_program_holds(struct program_check *c)
{
	if (!c->other && !c->same) {
		c->other_seq = 1;
		snprintf(c->why, sizeof(c->why),
			"unknown program: none of %" PRIu64
			" boot records names the SHA-256 of its program",
			c->boots);
	}
	return !c->other && c->same;
}
