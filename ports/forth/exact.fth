\ Doubles, and exp, log, sin, cos and pow: the double nearest to the true value (SPEC, section 2).

fvariable scratch
: bits ( -- u ) ( f: r -- )  scratch f! scratch @ ;
: double ( u -- ) ( f: -- r )  scratch ! scratch f@ ;

hex
7ff0000000000000 constant infinity
7ff8000000000000 constant nan
8000000000000000 constant sign-bit
3ff0000000000000 double fconstant f1
3fe0000000000000 double fconstant f1/2
3fe62e42fefa39f8 double fconstant above-ln2
3fe62e42fefa39e6 double fconstant below-ln2
decimal

: f0 ( f: -- r )  0 double ;
: f> ( -- flag ) ( f: r1 r2 -- )  fswap f< ;
: >float ( n -- ) ( f: -- r )  s>d d>f ;
: power-of-two ( n -- ) ( f: -- r )  1023 + 52 lshift double ;
: unsigned ( u -- u )  sign-bit invert and ;
: negative? ( u -- flag )  0< ;
: nan? ( u -- flag )  unsigned infinity > ;
: zero? ( u -- flag )  unsigned 0= ;
: quiet ( u -- u )  dup nan? if drop nan then ;

\ A positive finite double as an integer and the exponent of a power of two.
: dissect ( u -- m e )
  dup 1 52 lshift 1- and  swap 52 rshift
  ?dup if swap 1 52 lshift or swap 1075 - else -1074 then ;

\ Natural numbers: a count, and so many digits of 64 bits, the least one first. The last digit is not 0.

24 constant most-digits
: natural: ( "name" -- )  create 0 , most-digits cells allot ;
: digit ( i n -- a )  cell+ swap cells + ;
: digit-or-0 { i n -- u }  i n @ < if i n digit @ else 0 then ;
: trim { n -- }  begin n @ if n @ 1- n digit @ 0= else false then while -1 n +! repeat ;
: widen { n count -- }  begin n @ count < while 0 n @ n digit !  1 n +! repeat ;
: copy ( from to -- )  over @ 1+ cells move ;
: from-digit { u n -- }  1 n !  u 0 n digit !  n trim ;
: digit-length ( u -- count )  0 swap begin ?dup while 1 rshift swap 1+ swap repeat ;
: bit-length { n -- count }  n @ if n @ 1- dup 64 * swap n digit @ digit-length + else 0 then ;

: plus! { n to -- }
  to  n @ to @ max 1+ widen
  0 to @ 0 do  i to digit @ 0 rot 0 d+  i n digit-or-0 0 d+  swap i to digit !  loop drop
  to trim ;

: minus! { n to -- }  \ to must not be less
  0 to @ 0 ?do  i to digit @ 0 rot 0 d-  i n digit-or-0 0 d-  negate swap i to digit !  loop drop
  to trim ;

: times! { u n -- }
  n  n @ 1+ widen
  0 n @ 0 do  i n digit @ u um* rot 0 d+  swap i n digit !  loop drop
  n trim ;

: over! { u n -- }
  0 n @ 0 ?do  n @ 1- i - n digit dup >r @ swap u um/mod r> !  loop drop
  n trim ;

: add-row { n u a -- }  \ adds n * u to the digits from a on
  0 n @ 0 ?do  i n digit @ u um* rot 0 d+  i cells a + @ 0 d+  swap i cells a + !  loop
  n @ cells a + ! ;

natural: product
: multiply { x y to -- }  \ to may be x or y
  product most-digits 1+ cells erase
  x @ y @ + product !
  y @ 0 ?do  x  i y digit @  i product digit  add-row  loop
  product trim  product to copy ;

natural: shifted
: shift-left { n count to -- }
  shifted most-digits 1+ cells erase
  n @ count 64 / + 1+ shifted !
  n @ 0 ?do
    i n digit @ 1 count 63 and lshift um*
    count 64 / i + 1+ shifted digit !
    count 64 / i + shifted digit dup @ rot or swap !
  loop
  shifted trim  shifted to copy ;

: drop-digits { count n -- }
  count n digit  0 n digit  n @ count - 0 max cells move
  n @ count - 0 max n ! ;

: compare-naturals { x y -- sign }
  0  x @ y @ max 0 ?do
    drop  x @ y @ max 1- i - dup x digit-or-0 swap y digit-or-0
    2dup u< if 2drop -1 leave then
    u> if 1 leave then  0
  loop ;

\ The sign of x * 2^e - y * 2^f.
natural: lifted
: compare-scaled { x e y f -- sign }
  x bit-length e +  y bit-length f +  2dup < if 2drop -1 exit then  > if 1 exit then
  e f > if  x e f - lifted shift-left  lifted y  else  y f e - lifted shift-left  x lifted  then
  compare-naturals ;

: window { i n -- u }  \ 64 bits, from bit i on
  i 64 / n digit-or-0 i 63 and rshift
  i 63 and if  i 64 / 1+ n digit-or-0 64 i 63 and - lshift or  then ;

: low-bits? { count n -- flag }  \ is any of so many bits set?
  0  n @ count 64 / min 0 ?do i n digit @ or loop
  count 64 / n digit-or-0  1 count 63 and lshift 1- and  or 0<> ;

\ n * 2^e as a double, rounded once, at the last place that such a double has.
: nearest { n e | top last drop -- } ( f: -- r )
  n bit-length e + to top
  top 53 - -1074 max to last
  last e - to drop
  top 1024 > if infinity double exit then
  top -1074 < if f0 exit then
  drop 1 < if
    0 n digit-or-0 drop negate lshift
  else
    drop n window
    drop 1- n window 1 and if dup 1 and  drop 1- n low-bits?  or 0<> 1 and + then
  then
  last 1074 + 52 lshift + double ;

\ Below, a natural number in fixed point has 256 bits of fraction: more than any argument known needs, with 53 bits to
\ spare where a result is near 0.

4 constant fraction
natural: unity  1 unity from-digit  unity fraction 64 * unity shift-left
natural: term  natural: total  natural: positive  natural: negative  natural: argument

: fixed-multiply ( x y to -- )  dup >r multiply  fraction r> drop-digits ;
: fixed { u to -- }  \ a positive double of at least 2^-200
  u dissect swap to from-digit  to swap fraction 64 * + to shift-left ;
: no-parts ( -- )  0 positive !  0 negative ! ;
: part ( n negative? -- )  if negative else positive then plus! ;
: rounded-fixed ( n e -- ) ( f: -- r )  fraction 64 * - nearest ;

: inverse-arc { q alternates? to -- }  \ artanh(1/q), or arctan(1/q) if the signs alternate
  no-parts  unity total copy  q total over!
  1 begin total @ while
    total term copy  dup term over!
    term over 2 and 0<> alternates? and part
    q q * total over!  2 +
  repeat drop
  negative positive minus!  positive to copy ;

natural: ln2  natural: half-pi
3 false ln2 inverse-arc  2 ln2 times!
239 true term inverse-arc  term half-pi copy
5 true argument inverse-arc  4 argument times!  half-pi argument minus!  argument half-pi copy  2 half-pi times!

12 constant halvings
: growth { r -- }  \ exp(r) to total
  1 halvings lshift r over!
  unity total copy  unity term copy
  1 begin term r term fixed-multiply  dup term over!  term @ while term total plus!  1+ repeat drop
  halvings 0 do total total total fixed-multiply loop ;

natural: multiple
: exp-argument { u k -- }  \ |x - k ln 2| to argument
  u unsigned argument fixed  ln2 multiple copy  k abs multiple times!
  u negative? if argument multiple minus!  multiple argument copy else multiple argument minus! then ;

: finite-exp ( u -- ) ( f: -- r )
  dup unsigned double
  dup negative? if below-ln2 f/ f>d d>s 1+ negate else above-ln2 f/ f>d d>s then
  tuck exp-argument  argument growth  total swap rounded-fixed ;

: exact-exp ( f: x -- r )
  bits
  dup nan? if drop nan double exit then
  dup double 710 >float f> if drop infinity double exit then
  dup double -746 >float f< if drop f0 exit then
  dup unsigned double -54 power-of-two f< if drop f1 exit then
  finite-exp ;

\ -log(1 + d) in parts, with d = total - 1.
natural: power
: log-parts { | below? -- }
  no-parts
  total unity compare-naturals 0< to below?
  below? if unity argument copy total argument minus! else total argument copy unity argument minus! then
  argument power copy
  1 begin power @ while
    power term copy  dup term over!
    term  over 1 and 0<>  below? 0= and  part
    power argument power fixed-multiply  1+
  repeat drop ;

\ |log(m)| for 1/2 < m < 1 to positive: y - log(m exp(y)), where y is near to it.
natural: guess
: log-of-fraction ( f: m -- )
  fdup fln fabs bits guess fixed  bits multiple fixed
  guess argument copy  argument growth  total multiple total fixed-multiply
  log-parts  guess positive plus!  negative positive minus! ;

: finite-log { u | e -- } ( f: -- r )
  u dissect over digit-length + to e
  digit-length drop u dissect drop dup digit-length negate >r >float r> power-of-two f*
  fdup f1/2 f- f0= if fdrop f1 e 1- to e else then
  fdup f1 f- f0= if fdrop 0 positive ! else log-of-fraction then
  ln2 multiple copy  e abs multiple times!
  e 0> if
    positive multiple minus!  multiple 0 rounded-fixed
  else
    multiple positive plus!  positive 0 rounded-fixed fnegate
  then ;

: exact-log ( f: x -- r )
  bits
  dup zero? if drop infinity sign-bit or double exit then
  dup nan? over negative? or if drop nan double exit then
  dup infinity = if double exit then
  dup double f1 f- f0= if drop f0 exit then
  finite-log ;

\ sin(|x| + quarters * pi/2).
: wave { u quarters | n -- } ( f: -- r )
  u argument fixed
  begin argument half-pi compare-naturals 0< 0= while half-pi argument minus!  quarters 1+ to quarters repeat
  no-parts
  quarters 1 and if unity term copy 0 to n else argument term copy 1 to n then
  argument argument argument fixed-multiply
  begin term @ while
    term n 2 and 0<> part
    term argument term fixed-multiply  n 1+ n 2 + * term over!  n 2 + to n
  repeat
  negative positive minus!  positive 0 rounded-fixed
  quarters 2 and if fnegate then ;

: exact-sin ( f: x -- r )
  bits
  dup nan? if drop nan double exit then
  dup unsigned double -26 power-of-two f< if double exit then
  dup unsigned 0 wave  negative? if fnegate then ;

: exact-cos ( f: x -- r )
  bits unsigned
  dup nan? if drop nan double exit then
  dup double -27 power-of-two f< if drop f1 exit then
  1 wave ;

\ power * 2^power-e is |x|^count, or a little less if it was cut. Whole powers aside, it is the square of a power.

8 constant kept-digits
variable power-e  variable cut?  variable whole?  variable inverse?
natural: base-digit  natural: half-way

: integer-power { m q count -- }
  m base-digit from-digit  base-digit power copy  false cut? !
  0  count digit-length 1- 0 ?do
    2*  power power power multiply
    count count digit-length 2 - i - rshift 1 and if power base-digit power multiply then
    power @ kept-digits - dup 0> if  dup 64 * rot + swap power drop-digits  true cut? !  else drop then
  loop
  q count * + power-e ! ;

: above? { u | h -- flag }  \ does the true power round to more than this double?
  u dissect 1- to h  2* 1+ half-way from-digit
  whole? @ 0= if half-way half-way half-way multiply  h 2* to h then
  inverse? @ if
    half-way power half-way multiply
    1 lifted from-digit  lifted argument copy
    argument 0 half-way h power-e @ + compare-scaled
  else
    power power-e @ half-way h compare-scaled
  then
  ?dup if 0> exit then
  cut? @ if inverse? @ 0= else u 1 and 0<> then ;

: nearest-power ( u -- u )  \ from a double nearby
  begin dup infinity < if dup above? else false then while 1+ repeat
  begin dup 0> if dup 1- above? 0= else false then while 1- repeat ;

: odd-part ( m q -- m q )  begin over 1 and 0= while 1+ swap 1 rshift swap repeat ;

: real-power { u y -- } ( f: -- r )  \ for a positive finite double and y halves, which are no whole number if odd
  y 0< inverse? !  y 1 and 0= whole? !
  u dissect odd-part  y abs whole? @ if 2/ then  integer-power
  u double y >float f1/2 f* f** bits unsigned nearest-power double ;

: power-of-size { u y -- } ( f: -- r )  \ for no negative number
  u zero? u infinity = or if  u zero? y 0> = if f0 else infinity double then exit then
  y 1 = if u double fsqrt exit then
  y -2 = if f1 u double f/ exit then
  u y real-power ;

: power-of-halves { u y -- } ( f: -- r )
  y 0=  u double f1 f- f0= u nan? 0= and  or if f1 exit then
  u nan? if nan double exit then
  y 2 = if u double exit then
  y 4 = if u double fdup f* exit then
  u negative?  u unsigned infinity < and  u zero? 0= and  y 1 and 0<> and if nan double exit then
  u unsigned y power-of-size
  u negative? y 3 and 2 = and if fnegate then ;

: exact-pow ( f: x y -- r )  2 >float f* f>d d>s bits swap power-of-halves ;
