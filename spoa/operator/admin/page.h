/* The console's files over HTTP (spoa/operator/console/): GET /console/ and below it, / and /console as
 * redirects to it. */
#ifndef OPERATOR_ADMIN_PAGE_H
#define OPERATOR_ADMIN_PAGE_H

#include "operator/admin/endpoint.h"

/* 404 with a line that says how, where `admin.console` is off. Nobody is asked who he is: the
 * page has no data of its own, and shows the login. */
admin_begin_fn admin_page, admin_page_redirect;

#endif
