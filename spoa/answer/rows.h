/* How the tables of formats are written: of a kind, with a number, in events of a type. */
#ifndef ANSWER_ROWS_H
#define ANSWER_ROWS_H

#include "answer/format.h"

#define ROW(at_, read_)                                                                        \
	{                                                                                      \
		.path = at_, .read = read_                                                     \
	}
#define OF(at_, read_, kind_)                                                                  \
	{                                                                                      \
		.path = at_, .read = read_, .kind = kind_                                      \
	}
#define SLOT(at_, read_, slot_)                                                                \
	{                                                                                      \
		.path = at_, .read = read_, .slot = slot_                                      \
	}
#define ENDS(at_, read_)                                                                       \
	{                                                                                      \
		.path = at_, .read = read_, .ends = true                                       \
	}
/* `part_`: WHOLE, EVENT, ANY */
#define CALL(at_, part_, type_)                                                                \
	{                                                                                      \
		.path = at_, .read = READ_CALL, .part = IN_##part_, .type = type_              \
	}
#define MEDIA(at_, media_)	      { .path = at_, .read = READ_OPAQUE, .media = media_ }
/* One text with those of the same number. */
#define JOINED(at_, read_, kind_, slot_)                                                       \
	{                                                                                      \
		.path = at_, .read = read_, .kind = kind_, .slot = slot_                       \
	}
#define IN(event_, at_, read_, kind_)                                                          \
	{                                                                                      \
		.path = at_, .read = read_, .kind = kind_, .event = event_                     \
	}

/* A const format's memory for its tree. */
#define FORMAT_TREE (&(struct answer_tree){ NULL })

#endif
