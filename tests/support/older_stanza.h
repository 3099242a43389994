/* The stanza as an earlier version shipped it (tests/e2e/bolt-on/forms.lst), in the pieces that
 * belong in an operator's file. Include after cmocka.h. */
#ifndef SUPPORT_OLDER_STANZA_H
#define SUPPORT_OLDER_STANZA_H

#include "base/buf.h"

enum {
	FORM_0_1 = 14,
	FORM_LAST_UNDECIDED = 21, /* each of its lines tests `acl tollgate` */
	FORM_0_2 = 26,
	FORM_LAST_JOINT = 30, /* the second pass arrives at the operator's frontend */
	FORM_TODAY = 36,
};

/* Appends the piece of that version that begins after this mark. `tabs`: each line is indented
 * by a tab, as `tollgate init` writes it. */
void put_older(struct buf *out, unsigned form, const char *mark, bool tabs);

#endif
