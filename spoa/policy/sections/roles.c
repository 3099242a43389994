/* `roles: [user, tool_result]` in a policy: which texts are meant, by who wrote them. */
#include "policy/build.h"

#include "scan/text/body.h"

void
build_roles(struct builder *b, const struct yaml_node *n, uint16_t may, uint16_t *out)
{
	_Static_assert(ROLE_COUNT <= 16, "a bit each");
	const struct yaml_node *c = build_each(b, n, "roles", NULL, NULL);

	*out = 0;
	for (; c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		uint16_t bit = 0;
		for (unsigned k = 0; k < ROLE_COUNT && !bit; k++)
			if (nearest_is(&near, role_name((enum seg_role)k)))
				bit = (uint16_t)(1u << k);
		if (!bit)
			diag_at(b->d, c, "roles: no such role %s%s", c->s.p,
				nearest_hint(&near));
		else if (!(bit & may))
			diag_at(b->d, c, "roles: texts of the role %s have no injection score",
				c->s.p);
		*out |= bit;
	}
}
