\ Random numbers, the autograd, the model and its training: SPEC, sections 3 and 5 to 9.

\ The Mersenne Twister.

624 constant state-size
create twister state-size cells allot
variable word-index
variable kept  variable kept?
: word32 ( i -- a )  cells twister + ;
: u32 ( u -- u )  4294967295 and ;
: mixed ( i -- u )  1- word32 @ dup 30 rshift xor ;

: stir { start count factor constant step | k -- k }
  start to k
  count 0 do
    k mixed factor * k word32 @ xor  constant +  k step * +  u32 k word32 !
    k 1+ to k
    k state-size = if 623 word32 @ 0 word32 !  1 to k then
  loop k ;

: seed-generator { seed -- }
  19650218 0 word32 !
  state-size 1 do  i mixed 1812433253 * i + u32  i word32 !  loop
  1 state-size 1664525 seed 0 stir  623 1566083941 0 -1 stir drop
  2147483648 0 word32 !  state-size word-index !  false kept? ! ;

: renew ( -- )
  state-size 0 do
    i word32 @ 2147483648 and  i 1+ state-size mod word32 @ 2147483647 and or
    dup 1 rshift  swap 1 and 2567483615 * xor  i 397 + state-size mod word32 @ xor  i word32 !
  loop  0 word-index ! ;

: random-word ( -- u )
  word-index @ state-size = if renew then
  word-index @ word32 @  1 word-index +!
  dup 11 rshift xor  dup 7 lshift 2636928640 and xor  dup 15 lshift 4022730752 and xor  dup 18 rshift xor ;

hex 401921fb54442d18 double fconstant 2pi  decimal
: random-double ( f: -- r )
  random-word 5 rshift 67108864 *  random-word 6 rshift +  >float  -53 power-of-two f* ;

fvariable angle  fvariable radius
: gauss ( f: sigma -- r )
  kept? @ if
    false kept? !  kept f@
  else
    random-double 2pi f* angle f!
    f1 random-double f- exact-log -2 >float f* fsqrt radius f!
    angle f@ exact-sin radius f@ f* kept f!  true kept? !
    angle f@ exact-cos radius f@ f*
  then
  f* f0 f+ ;

: below { n | shift -- k }  32 n digit-length - to shift  begin random-word shift rshift dup n < 0= while drop repeat ;

: shuffle { a n -- }  \ cells
  n 1 max 1 ?do
    n i - dup 1+ below cells a + swap cells a +  2dup @ swap @ rot ! swap !
  loop ;

list: cumulative
fvariable threshold
: choose-below { | low high -- i }
  cumulative length 1- to high  0 to low
  begin low high < while
    low high + 2/  threshold f@ dup cumulative nth f@ f< if to high else 1+ to low then
  repeat low ;

: choice ( -- i )  \ by the sums of the weights
  cumulative length 1- cumulative nth f@ f0 f+
  fdup f0 f> fdup infinity double f< and 0= if s" the weights must add up to a finite number above 0" refuse then
  random-double f* threshold f!  choose-below ;

\ The autograd. A node is its place in three lists. Its edges, each a child and a local gradient, follow each other.

list: values  list: gradients  list: starts  list: edges

: nodes ( -- n )  values length ;
: newest ( -- node )  nodes 1- ;
: value-of ( node -- a )  values nth ;
: value@ ( node -- ) ( f: -- r )  values nth f@ ;
: gradient ( node -- a )  gradients nth ;
: node ( f: r -- )  edges length 2/ starts push  bits values push ;
: edge ( child -- ) ( f: local -- )  edges push  bits edges push ;
: keep-leaves ( n -- )  cells dup values list.size !  starts list.size !  edges clear ;

: n+ { a b -- node }  a value@ b value@ f+ node  f1 a edge  f1 b edge  newest ;
: n* { a b -- node }  a value@ b value@ f* node  b value@ a edge  a value@ b edge  newest ;
: n+c { a -- node } ( f: c -- )  a value@ fswap f+ node  f1 a edge  newest ;
: n*c { a -- node } ( f: c -- )  fdup a value@ f* node  a edge  newest ;
: nnegate ( a -- node )  -1 >float n*c ;
fvariable exponent
: npow { a -- node } ( f: c -- )
  exponent f!  a value@ exponent f@ exact-pow node
  a value@ exponent f@ f1 f- exact-pow exponent f@ f* a edge  newest ;
: ninverse ( a -- node )  -1 >float npow ;
: nlog { a -- node }  a value@ exact-log node  f1 a value@ f/ a edge  newest ;
: nexp { a -- node }  a value@ exact-exp fdup node  a edge  newest ;
: nrelu { a -- node }  a value@ f0 f> if a value@ node f1 else f0 node f0 then a edge  newest ;

\ Sums and dot products of nodes that follow each other are one node each. No operand may occur twice, except as its own
\ factor, or lie below another.

: nsum { a count -- node }
  f0  count 0 do a i + value@ f+ loop  node
  count 0 do f1 a i + edge loop  newest ;

: ndot { w x count -- node }
  f0  count 0 do  w i + value@  x i + value@ f* f+  loop  node
  count 0 do  x i + value@ w i + edge  w i + value@ x i + edge  loop  newest ;

: first-edge ( node -- i )  starts nth @ ;
: end-edge ( node -- i )  1+ dup nodes < if first-edge else drop edges length 2/ then ;
: child ( i -- node )  2* edges nth @ ;
: local@ ( i -- ) ( f: -- r )  2* 1+ edges nth f@ ;

\ The depth-first order. The path is pairs: a node, and the edge that comes next.

list: order  list: path  list: seen
: path-top ( i -- a )  path length + path nth ;
: visit ( node -- )  true over seen nth !  dup path push  first-edge path push ;
: next-unseen { node edge -- edge }
  edge begin dup node end-edge < if dup child seen nth @ else false then while 1+ repeat ;

: walk ( -- )
  begin path length while
    -2 path-top @ dup -1 path-top @ next-unseen
    2dup swap end-edge < if
      nip dup 1+ -1 path-top !  child visit
    else
      drop order push  -2 cells path list.size +!
    then
  repeat ;

: pass-on { node -- }
  node gradient f@
  node end-edge node first-edge ?do  fdup i local@ f*  i child gradient dup f@ f+ f!  loop
  fdrop ;

: backward { root -- }
  nodes gradients fzeros  nodes seen fzeros  order clear  path clear
  root visit walk
  f1 root gradient f!
  order length 0 do  order length 1- i - order nth @ pass-on  loop ;

\ The shape of a model. Its parameters are the first nodes.

variable layers  variable heads  variable embedding  variable block  variable vocabulary  variable squared?
list: attended      \ the positions of all positions
list: attend-starts
list: keys  list: vals

: square-size ( -- n )  embedding @ dup * ;
: wpe ( -- node )  vocabulary @ embedding @ * ;
: lm-head ( -- node )  wpe block @ embedding @ * + ;
: layer-start ( i -- node )  12 * square-size *  lm-head + wpe + ;
: parameter-count ( -- n )  layers @ layer-start ;

list: name
variable visitor  variable first
: in-layer { a n i -- a n }
  name clear  s" layer" name push-string  i decimal-digits name push-string  [char] . name push-char
  a n name push-string  name data name list.size @ ;
: matrix ( a n rows columns -- )  2dup * >r  first @ visitor @ execute  r> first +! ;
: each-matrix ( xt -- )  \ the word takes: name, rows, columns, first node
  visitor !  0 first !
  s" wte" vocabulary @ embedding @ matrix
  s" wpe" block @ embedding @ matrix
  s" lm_head" vocabulary @ embedding @ matrix
  layers @ 0 ?do
    s" attn_wq" i in-layer embedding @ dup matrix
    s" attn_wk" i in-layer embedding @ dup matrix
    s" attn_wv" i in-layer embedding @ dup matrix
    s" attn_wo" i in-layer embedding @ dup matrix
    s" mlp_fc1" i in-layer embedding @ dup 4 * swap matrix
    s" mlp_fc2" i in-layer embedding @ dup 4 * matrix
  loop ;

\ Activations are told to a recorder, by name, if there is one. The place is what stands before the name.

variable recording?
list: place
: place-number ( n a n -- )  place push-string  decimal-digits place push-string  [char] . place push-char ;
: at-position ( t -- )  place clear  s" pos" place-number ;
: at-layer ( t i -- )  swap at-position  s" layer" place-number ;
: at-head ( t i h -- )  -rot at-layer  s" head" place-number ;
: told { node count a n -- node }
  recording? @ if
    s" tensor" key,  place data place list.size @ word,  a n key,  1 integer, count integer, end,
    node value-of 1 count rows,
  then node ;
: told-all ( node a n -- node )  embedding @ -rot told ;

\ The model. A vector is its first node: the others follow.

: linear { x columns w rows | y -- y }
  nodes to y  rows 0 do  w i columns * + x columns ndot drop  loop y ;

: added { a b | y -- y }  nodes to y  embedding @ 0 do  a i + b i + n+ drop  loop y ;

hex 3ee4f8b588e368f1 double fconstant tiny  decimal
: rmsnorm { x | scale y -- y }
  x x embedding @ ndot  f1 embedding @ >float f/ n*c  tiny n+c  f1/2 fnegate npow to scale
  nodes to y  embedding @ 0 do  x i + scale n* drop  loop y ;

fvariable top  fvariable inverse  fvariable slope
: greatest { x count -- } ( f: -- r )
  x value@  count 1 ?do  x i + value@ fover fover f< if fswap then fdrop  loop ;

: softmax { x count | a e total r y -- y }
  x count greatest fnegate top f!
  nodes to a  count 0 do  x i + top f@ n+c drop  loop
  nodes to e  count 0 do  a i + nexp drop  loop
  e count nsum to total
  \ a pow node for each division; they have the same value and the same local gradient
  f1 total value@ f/ inverse f!
  total value@ -2 >float exact-pow fnegate slope f!
  nodes to r  count 0 do  inverse f@ node  slope f@ total edge  loop
  nodes to y  count 0 do  e i + r i + n* drop  loop y ;

: positions ( t -- a count )  dup attend-starts nth @ dup attended nth  -rot swap 1+ attend-starts nth @ swap - ;
: cached ( i s list -- node )  >r swap block @ * + r> nth @ ;
: head-size ( -- n )  embedding @ heads @ / ;

fvariable factor
: scores { q t layer start | a count y z -- z }  \ of a head, whose elements begin at start
  t positions to count to a
  nodes to y  count 0 do  q start +  layer i cells a + @ keys cached start +  head-size ndot drop  loop
  f1 head-size >float fsqrt f/ factor f!
  nodes to z  count 0 do  factor f@ y i + n*c drop  loop z ;

: mix { weights t layer column | a count -- }  \ one element of the mixed values
  t positions to count to a
  f0  count 0 do  weights i + value@  layer i cells a + @ vals cached column + value@ f* f+  loop  node
  count 0 do
    layer i cells a + @ vals cached column +
    dup value@ weights i + edge  weights i + value@ edge
  loop ;

list: head-scores  list: head-weights
: heads-told { mixed t layer -- }
  heads @ 0 do
    t layer i at-head
    i head-scores nth @  t positions nip s" scores" told drop
    i head-weights nth @  t positions nip s" weights" told drop
    i head-size * mixed +  head-size s" mixed" told drop
  loop
  t layer at-layer ;

: attention { q t layer | mixed -- mixed }
  head-scores clear  head-weights clear
  heads @ 0 do
    q t layer i head-size * scores  dup head-scores push
    t positions nip softmax head-weights push
  loop
  nodes to mixed
  embedding @ 0 do  i head-size / head-weights nth @ t layer i mix  loop
  recording? @ if mixed t layer heads-told then
  mixed ;

: hidden-size ( -- n )  embedding @ 4 * ;
: activated { x | y z -- y }
  nodes to y  hidden-size 0 do  x i + nrelu drop  loop
  squared? @ 0= if y exit then
  nodes to z  hidden-size 0 do  2 >float y i + npow drop  loop z ;

: cache ( node i t list -- )  >r swap block @ * + r> nth ! ;

: through-layer { x t layer | w normed q -- x }
  t layer at-layer
  layer layer-start to w
  x rmsnorm s" attn_norm" told-all to normed
  normed embedding @ w embedding @ linear s" q" told-all to q
  normed embedding @ w square-size + embedding @ linear s" k" told-all  layer t keys cache
  normed embedding @ w square-size 2* + embedding @ linear s" v" told-all  layer t vals cache
  q t layer attention  embedding @ w square-size 3 * + embedding @ linear s" attn_out" told-all
  x added s" attn_residual" told-all to x
  x rmsnorm s" mlp_norm" told-all  embedding @ w square-size 4 * + hidden-size linear
  hidden-size s" hidden" told  activated  hidden-size s" activated" told
  hidden-size w square-size 8 * + embedding @ linear s" mlp_out" told-all
  x added s" mlp_residual" told-all ;

: logits { token t | y -- node }  \ of what follows the token at position t
  t at-position
  nodes to y  embedding @ 0 do  token embedding @ * i +  wpe t embedding @ * + i +  n+ drop  loop
  y s" embedded" told-all  rmsnorm s" normed" told-all
  layers @ 0 do  t i through-layer  loop
  t at-position
  embedding @ lm-head vocabulary @ linear  vocabulary @ s" logits" told ;

: begin-document ( -- )
  parameter-count keep-leaves
  layers @ block @ *  dup keys fzeros  vals fzeros ;

list: losses
: sum-of-losses ( -- node )
  f0  losses length 0 do  i losses nth @ value@ f+  loop  node
  losses length 0 do  f1 i losses nth @ edge  loop  newest ;

: document-loss { a n | count -- node }  \ the tokens are n cells
  begin-document  losses clear
  n 1- block @ min to count
  count 0 do
    i cells a + @ i logits  vocabulary @ softmax  vocabulary @ s" probabilities" told
    i 1+ cells a + @ + nlog nnegate  1 s" loss" told  losses push
  loop
  f1 count >float f/ sum-of-losses n*c ;

\ Adam (SPEC, section 8).

fvariable learning-rate  fvariable beta1  fvariable beta2  fvariable epsilon
variable cosine?  variable steps
fvariable rate  fvariable correction1  fvariable correction2  fvariable rest1  fvariable rest2
list: m  list: v

hex 400921fb54442d18 double fconstant pi  decimal
: rate-of ( step -- ) ( f: -- r )
  >float cosine? @ if
    pi f* steps @ >float f/ exact-cos f1 f+  learning-rate f@ f1/2 f* f*
  else
    steps @ >float f/ f1 fswap f-  learning-rate f@ f*
  then ;
: correction ( step -- ) ( f: beta -- r )  1+ >float exact-pow f1 fswap f- ;
: begin-step ( step -- )
  dup rate-of rate f!
  dup beta1 f@ correction correction1 f!  beta2 f@ correction correction2 f!
  f1 beta1 f@ f- rest1 f!  f1 beta2 f@ f- rest2 f! ;

: root ( f: x -- r )  fdup f0 f> if fsqrt else f1/2 exact-pow then ;

: update-one { p g m v -- }
  beta1 f@ m f@ f*  rest1 f@ g f@ f*  f+ m f!
  beta2 f@ v f@ f*  rest2 f@ g f@ fdup f* f*  f+ v f!
  p f@  rate f@ m f@ correction1 f@ f/ f*  v f@ correction2 f@ f/ root epsilon f@ f+  f/ f-  p f! ;

: update ( count -- )  0 ?do  i value-of i gradient i m nth i v nth update-one  loop ;

: train-step { a n step -- } ( f: -- loss )
  a n document-loss  dup backward  value@
  step begin-step  parameter-count update ;

\ Sampling (SPEC, section 9).

fvariable temperature
variable draws-told?
list: sampled

: accumulate { x count -- }
  cumulative clear
  x value@ fdup bits cumulative push
  count 1 ?do  i x + value@ f+ fdup bits cumulative push  loop fdrop ;

: draw { token t | scaled y -- token }
  token t logits
  nodes to y  vocabulary @ 0 do  dup i + temperature f@ -1 >float exact-pow n*c drop  loop drop
  y vocabulary @ softmax to scaled
  scaled vocabulary @ accumulate choice
  draws-told? @ if
    s" probabilities" key,  vocabulary @ 0 do i scaled + value-of @ double, loop end,
    dup s" token" integer-line
  then ;

: sample { | bos -- }
  begin-document  sampled clear
  vocabulary @ 1- to bos
  bos block @ 0 do
    i draw  dup bos = if leave then  dup sampled push
  loop drop ;
