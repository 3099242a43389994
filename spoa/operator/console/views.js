// The views, in the order of the navigation. README.md describes how to add one.

import overview from './views/overview.js';
import now from './views/now.js';
import request from './views/request.js';
import search from './views/search.js';
import audit from './views/audit.js';
import nodes from './views/nodes.js';
import models from './views/models.js';
import people from './views/people.js';
import policy from './views/policy.js';
import components from './views/components.js';
import targets from './views/targets.js';
import thing from './views/thing.js';
import tools from './views/tools.js';

export const views = [overview, now, request, search, people, policy, targets, nodes, tools, models, audit, thing, components];
