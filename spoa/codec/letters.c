/* Made by spoa/codec/letters.py. */
#include "codec/letters.h"

#include <stddef.h>

/* clang-format off */
static const char latin[] = /* U+00C0 to U+024F */
	"A.A.A.A.A.A.AEC.E.E.E.E.I.I.I.I.D.N.O.O.O.O.O...O.U.U.U.U.Y.THssa.a.a.a.a.a.aec."
	"e.e.e.e.i.i.i.i.d.n.o.o.o.o.o...o.u.u.u.u.y.thy.A.a.A.a.A.a.C.c.C.c.C.c.C.c.D.d."
	"D.d.E.e.E.e.E.e.E.e.E.e.G.g.G.g.G.g.G.g.H.h.H.h.I.i.I.i.I.i.I.i.I.i.IJijJ.j.K.k."
	"k.L.l.L.l.L.l.L.l.L.l.N.n.N.n.N.n.n.N.n.O.o.O.o.O.o.OEoeR.r.R.r.R.r.S.s.S.s.S.s."
	"S.s.T.t.T.t.T.t.U.u.U.u.U.u.U.u.U.u.U.u.W.w.Y.y.Y.Z.z.Z.z.Z.z.s.b.B.Q.q.Q.q.Q.Q."
	"q.D.D.Q.q.q.E.E.Q.Q.f.G.Q.q.Q.Q.K.k.q.q.Q.Q.q.Q.O.o.Q.q.Q.q.Q.Q.q.Q.q.q.Q.q.Q.U."
	"u.Q.Q.Y.y.Q.q.Q.Q.q.q.q.Q.q.q.q.q.q.q.q.DZDZdzLJLJljNJNJnjA.a.I.i.O.o.U.u.U.u.U."
	"u.U.u.U.u.e.A.a.A.a.Q.q.G.g.G.g.K.k.O.o.O.o.Q.q.j.DZDZdzG.g.Q.Q.N.n.A.a.Q.q.O.o."
	"A.a.A.a.E.e.E.e.I.i.I.i.O.o.O.o.R.r.R.r.U.u.U.u.S.s.T.t.Q.q.H.h.Q.q.Q.q.Q.q.A.a."
	"E.e.O.o.O.o.O.o.O.o.Y.y.q.q.q.q.q.q.Q.Q.q.Q.Q.q.q.Q.q.Q.Q.Q.Q.q.Q.q.Q.q.Q.q.Q.q.";
static const char latin_more[] = /* U+1E00 to U+1EFF */
	"A.a.B.b.B.b.B.b.C.c.D.d.D.d.D.d.D.d.D.d.E.e.E.e.E.e.E.e.E.e.F.f.G.g.H.h.H.h.H.h."
	"H.h.H.h.I.i.I.i.K.k.K.k.K.k.L.l.L.l.L.l.L.l.M.m.M.m.M.m.N.n.N.n.N.n.N.n.O.o.O.o."
	"O.o.O.o.P.p.P.p.R.r.R.r.R.r.R.r.S.s.S.s.S.s.S.s.S.s.T.t.T.t.T.t.T.t.U.u.U.u.U.u."
	"U.u.U.u.V.v.V.v.W.w.W.w.W.w.W.w.W.w.X.x.X.x.Y.y.Z.z.Z.z.Z.z.h.t.w.y.a.s.q.q.SSd."
	"A.a.A.a.A.a.A.a.A.a.A.a.A.a.A.a.A.a.A.a.A.a.A.a.E.e.E.e.E.e.E.e.E.e.E.e.E.e.E.e."
	"I.i.I.i.O.o.O.o.O.o.O.o.O.o.O.o.O.o.O.o.O.o.O.o.O.o.O.o.U.u.U.u.U.u.U.u.U.u.U.u."
	"U.u.Y.y.Y.y.Y.y.Y.y.LLllQ.q.Q.q.";
/* clang-format on */

const char *
letters_latin(uint32_t cp)
{
	if (cp >= 0xC0 && cp < 0x250)
		return latin + 2 * (cp - 0xC0);
	return cp >= 0x1E00 && cp < 0x1F00 ? latin_more + 2 * (cp - 0x1E00) : NULL;
}
