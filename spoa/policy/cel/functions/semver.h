/* Semantic Versioning 2.0.0 (semver.org), and ranges as package managers write them. */
#ifndef POLICY_CEL_FUNCTIONS_SEMVER_H
#define POLICY_CEL_FUNCTIONS_SEMVER_H

#include "base/span.h"

struct semver {
	uint64_t part[3]; /* major, minor, patch */
	struct span pre;  /* "rc.1"; empty: a release */
};

/* The whole of s, strictly (sections 2 to 10); what follows '+' is read and ignored. */
bool semver_parse(struct span s, struct semver *out);
/* Section 11: -1, 0, 1. */
int semver_compare(const struct semver *a, const struct semver *b);
/* 1, 0, or ERR_SYNTAX of the range:
 * range = set { "||" set }     set = term { " " term }
 * term  = [ "<" | "<=" | ">" | ">=" | "=" | "!=" | "^" | "~" ] partial
 * A partial (1, 1.2, 1.x, *) without operator or with "=" covers all it leaves open. A
 * pre-release is in a set only where one of the set's terms names its major.minor.patch. */
int semver_in(const struct semver *v, struct span range);

#endif
