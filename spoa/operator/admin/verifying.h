/* Verifies the whole chain on demand (GET and POST /records/verify). A verification may take
 * very long; its result is kept until the daemon ends. */
#ifndef OPERATOR_ADMIN_VERIFYING_H
#define OPERATOR_ADMIN_VERIFYING_H

#include "operator/admin/endpoint.h"

/* Frees the kept result. Call this after children_free(). */
void verifying_free(void);

#endif
