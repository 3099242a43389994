/* Checks that every member of a decision or completion record has its row in
 * record/audit/record_fields.h, with its path, type and record. Fails the test with the path of
 * the member. */
#ifndef TESTS_RECORD_CHECK_H
#define TESTS_RECORD_CHECK_H

#include "record/audit/record_fields.h"

extern const char *const record_type_names[];

/* Records of other types are not checked. */
void record_check(struct span record);

#endif
