\ The port forth of microgpt: a word for each verb, which reads a request from text and writes to reply.

: hello ( -- )
  finish
  s" name forth" key, end,
  s" protocol 1" key, end,
  s" verbs hello arith math random tokens graph forward backward adam train sample run" key, end,
  s" math exact" key, end, ;

: takes? ( a n count -- flag )  \ is this the key, and are there as many words?
  >r key? r> words-left = and ;
: key-again, ( -- )  the-key 2@ key, ;
: answer-double ( f: r -- )  key-again, bits double, end, ;
: unknown ( -- )  s" an unknown key, or values that it does not take" refuse ;

: arith-result ( f: -- r )
  s" add" 2 takes? if x x f+ exit then
  s" sub" 2 takes? if x x f- exit then
  s" mul" 2 takes? if x x f* exit then
  s" div" 2 takes? if x x f/ exit then
  s" sqrt" 1 takes? if x fsqrt exit then
  s" muladd" 3 takes? if x x f* x f+ exit then
  words-left 0= if unknown then
  f0
  s" sum" key? if begin more? @ while x f+ repeat exit then
  s" dot" key? if begin more? @ while x x f* f+ repeat exit then
  unknown ;

: decimals ( -- )
  x fdup fabs bits infinity < if
    fdup fabs 53 power-of-two f> if s" decimals takes numbers up to 2^53" refuse then
  then
  key-again, say-decimals said-points end,  said clear ;

: arith ( -- )
  begin
    next-key  s" decimals" 1 takes? if decimals else arith-result answer-double then
  at-end? until ;

: exponent-up-to ( limit -- ) ( f: -- c )
  x  fdup fabs >float fswap f<  fdup bits nan? or
  fdup 2 >float f* fdup floor f- f0= 0= or
  if s" an exponent is an integer or half-integer in its range" refuse then ;
: angle-up-to-8 ( f: -- x )  x fdup fabs 8 >float f> if s" an angle is at most 8" refuse then ;

: function ( f: -- r )
  s" exp" 1 takes? if x exact-exp exit then
  s" log" 1 takes? if x exact-log exit then
  s" sin" 1 takes? if angle-up-to-8 exact-sin exit then
  s" cos" 1 takes? if angle-up-to-8 exact-cos exit then
  s" pow" 2 takes? if x 4096 exponent-up-to exact-pow exit then
  unknown ;
: functions ( -- )  math  begin next-key function answer-double at-end? until ;

: times ( -- n )  0 1000 integer ;
list: items
: shuffled ( n -- )
  items clear  dup 0 ?do i items push loop
  items data over shuffle
  0 ?do i items nth @ integer, loop ;
: weights ( -- )  \ the sums of all that follow
  cumulative clear
  x fdup bits cumulative push
  begin more? @ while x f+ fdup bits cumulative push repeat fdrop ;

: draws ( -- )
  s" words" 1 takes? if times key-again, 0 ?do random-word integer, loop end, exit then
  s" random" 1 takes? if times key-again, 0 ?do random-double bits double, loop end, exit then
  s" gauss" 2 takes? if times x key-again, 0 ?do fdup gauss bits double, loop fdrop end, exit then
  s" shuffle" 1 takes? if 0 10000 integer key-again, shuffled end, exit then
  s" choices" key? words-left 2 1001 between and if times weights key-again, 0 ?do choice integer, loop end, exit then
  s" state" 0 takes? if
    key-again, word-index @ integer,  state-size 0 do i word32 @ integer, loop end,
    s" kept" key,  kept? @ if kept @ double, else s" none" word, then end, exit
  then
  unknown ;
: random-draws ( -- )
  math  s" seed" 0 4294967295 the-integer seed-generator
  begin next-key draws at-end? until ;

: dataset ( -- )  \ the last lines of a request
  begin-texts
  begin
    s" line" take  words-left 10000 > if s" a line has more than 10000 code points" refuse then
    begin-text  begin more? @ while code-point points push repeat  end-text
  at-end? until
  check-documents ;

: list-line { a n list -- }  a n key,  list length 0 ?do i list nth @ integer, loop  end, ;
: tokens ( -- )
  dataset number-characters
  documents length s" documents" integer-line
  s" vocabulary" characters list-line
  characters length s" bos" integer-line
  documents length 0 do  i encode s" encoded" document list-line  loop ;

list: expressions
: e ( -- node )  0 expressions length 1- integer expressions nth @ ;
: expression ( -- node )
  s" leaf" 1 takes? if x node newest exit then
  s" add" 2 takes? if e e n+ exit then
  s" sub" 2 takes? if e e nnegate n+ exit then
  s" mul" 2 takes? if e e n* exit then
  s" div" 2 takes? if e e ninverse n* exit then
  s" neg" 1 takes? if e nnegate exit then
  s" exp" 1 takes? if e nexp exit then
  s" log" 1 takes? if e nlog exit then
  s" relu" 1 takes? if e nrelu exit then
  s" pow" 2 takes? if e 1024 exponent-up-to npow exit then
  s" add_number" 2 takes? if e x n+c exit then
  s" sub_number" 2 takes? if e x fnegate n+c exit then
  s" mul_number" 2 takes? if e x n*c exit then
  s" div_number" 2 takes? if e f1 x f/ n*c exit then
  s" number_sub" 2 takes? if x e nnegate n+c exit then
  s" number_div" 2 takes? if x e ninverse n*c exit then
  s" sum" key? 0= if unknown then
  e f0 n+c  begin more? @ while e n+ repeat ;

: graph ( -- )
  math  values clear starts clear edges clear expressions clear
  begin next-key s" root" key? 0= while expression expressions push repeat
  e end-line finish  backward
  expressions length 0 do  s" value" key,  i expressions nth @ value-of @ double, end,  loop
  expressions length 0 do  s" gradient" key,  i expressions nth @ gradient @ double, end,  loop ;

: attend-line ( t -- )
  s" attend" take
  attended length attend-starts push
  -1 begin more? @ while over 0 swap integer  tuck < 0= if s" attend must increase" refuse then  dup attended push repeat
  <> if s" a position attends to itself" refuse then ;

: shape ( -- )
  math
  s" layers" 1 16 the-integer layers !
  s" heads" 1 64 the-integer heads !
  s" embedding" 1 512 the-integer embedding !
  embedding @ heads @ mod if s" embedding must be a multiple of heads" refuse then
  s" block" 1 1024 the-integer block !
  s" vocabulary" 2 2048 the-integer vocabulary !
  s" activation" take next-word end-line
  2dup s" squared_relu" same? dup squared? !  -rot s" relu" same? or 0= if s" activation is relu or squared_relu" refuse then
  attended clear  attend-starts clear
  block @ 0 do i attend-line loop
  attended length attend-starts push ;

: token ( -- n )  0 vocabulary @ 1- integer ;
: document-line ( -- )
  words-left 2 < if s" a document has two or more tokens" refuse then
  points length documents push  words-left points push
  begin more? @ while token points push repeat ;

: tensor ( a n -- rows columns )
  s" tensor" take  next-word same? 0= if s" a tensor with another name was expected" refuse then
  1 2048 integer 1 2048 integer end-line ;
: read-rows { rows columns list -- }
  rows 0 do
    s" row" take  words-left columns <> if s" a row has a wrong count of values" refuse then
    columns 0 do pattern list push loop
  loop ;

variable destination
2variable prefix
list: titled
: with-prefix ( a n -- a n )
  titled clear  prefix 2@ titled push-string  titled push-string  titled data titled list.size @ ;
: read-matrix { a n rows columns first -- }
  a n with-prefix tensor columns <> swap rows <> or if s" a tensor has the wrong shape" refuse then
  rows columns destination @ read-rows ;
: matrices ( a n list -- )  dup clear destination !  prefix 2!  ['] read-matrix each-matrix ;
: parameters ( -- )  s" " values matrices  all-leaves ;

: write-matrix { a n rows columns first -- }
  s" tensor" key,  a n with-prefix word,  rows integer, columns integer, end,
  first destination @ nth rows columns rows, ;
: write-matrices ( a n list -- )  destination !  prefix 2!  ['] write-matrix each-matrix ;

: model-and-document ( -- )
  shape  begin-texts  s" tokens" take document-line  parameters finish ;
: forward ( -- )
  model-and-document
  true recording? !  0 document-at document-loss  value@ s" loss" double-line ;
: backward-verb ( -- )
  model-and-document
  0 document-at document-loss  dup backward  value@ s" loss" double-line  s" " gradients write-matrices ;

: settings ( -- )
  s" learning_rate" the-double learning-rate f!
  s" beta1" the-double beta1 f!
  s" beta2" the-double beta2 f!
  s" epsilon" the-double epsilon f!
  s" schedule" take next-word end-line
  2dup s" cosine" same? dup cosine? !  -rot s" linear" same? or 0= if s" schedule is linear or cosine" refuse then
  s" steps" 1 4096 the-integer steps ! ;

: same-tensor { a n rows columns list -- }
  a n tensor columns <> swap rows <> or if s" tensors must have one shape" refuse then
  list clear  rows columns list read-rows ;
: tensor-lines { a n rows columns list -- }
  s" tensor" key, a n word, rows integer, columns integer, end,  list data rows columns rows, ;
: adam { | step rows columns -- }
  math settings
  s" step" 0 steps @ 1- the-integer to step
  s" parameters" tensor to columns to rows  values clear  rows columns values read-rows
  s" gradients" rows columns gradients same-tensor
  s" m" rows columns m same-tensor
  s" v" rows columns v same-tensor
  finish
  step begin-step
  s" rate" rate f@ double-line  s" correction1" correction1 f@ double-line  s" correction2" correction2 f@ double-line
  rows columns * update
  s" m" rows columns m tensor-lines
  s" v" rows columns v tensor-lines
  s" parameters" rows columns values tensor-lines ;

list: full-steps
: full-line { from last -- }
  s" full" take  full-steps clear
  from 1- begin more? @ while
    from last integer tuck < 0= if s" the steps of full must increase" refuse then  dup full-steps push
  repeat drop ;
: full? ( step -- flag )  false full-steps length 0 ?do over i full-steps nth @ = or loop nip ;
: checksums ( -- )
  s" gradients" gradients parameter-count checksum-line
  s" m" m parameter-count checksum-line
  s" v" v parameter-count checksum-line
  s" parameters" values parameter-count checksum-line ;
: whole-tensors ( -- )
  s" gradients." gradients write-matrices
  s" m." m write-matrices
  s" v." v write-matrices
  s" parameters." values write-matrices ;
: train { | from last -- }
  shape settings
  s" from" 0 steps @ 1- the-integer to from
  s" count" 1 steps @ from - the-integer from + 1- to last
  from last full-line
  begin-texts
  begin s" tokens" take document-line  s" tokens" next-is? 0= until
  parameters
  from if s" m." m matrices  s" v." v matrices else parameter-count dup m fzeros v fzeros then
  finish
  last 1+ from do
    i documents length mod document-at i train-step
    i s" step" integer-line  s" loss" double-line  checksums
    i full? if whole-tensors then
  loop ;

: generator-lines ( -- )
  s" state" take  0 624 integer word-index !
  state-size 0 do 0 4294967295 integer i word32 ! loop  end-line
  s" kept" take
  line 2@ s" none" same? dup 0= kept? !
  if next-word 2drop else pattern kept ! then  end-line ;
: samples { | count -- }
  shape
  s" temperature" the-double temperature f!
  s" samples" 0 1000 the-integer to count
  parameters generator-lines finish
  true draws-told? !
  count 0 ?do  i s" sample" integer-line  sample  loop
  random-word s" word" integer-line ;

: run { | count -- }
  math
  s" preset" take next-word end-line
  2dup s" seed" same? if 2drop seed else s" classic" same? if classic else s" preset is seed or classic" refuse then then
  s" steps" 1 4096 the-integer steps !
  s" samples" 0 1000 the-integer to count
  dataset  count run-preset
  s" parameters" values parameter-count checksum-line
  s" m" m parameter-count checksum-line
  s" v" v parameter-count checksum-line
  random-word s" word" integer-line ;

2variable verb  2variable id  variable complete?

: respond-to-verb ( -- )
  complete? @ 0= if s" the input ended before the line end" refuse then
  s" ok " key,  id 2@ key,  end,
  verb 2@ the-key 2!
  s" hello" key? if hello exit then
  s" arith" key? if arith exit then
  s" math" key? if functions exit then
  s" random" key? if random-draws exit then
  s" tokens" key? if tokens exit then
  s" graph" key? if graph exit then
  s" forward" key? if forward exit then
  s" backward" key? if backward-verb exit then
  s" adam" key? if adam exit then
  s" train" key? if train exit then
  s" sample" key? if samples exit then
  s" run" key? if run exit then
  s" unsupported" refuse ;

: visible? ( a n -- flag )  true -rot over + swap ?do i c@ [char] ! [char] ~ between and loop ;
: id-sign? ( c -- flag )
  dup digit?  over 32 or [char] a [char] z between or  over [char] . = or  over [char] _ = or  swap [char] - = or ;
: id? ( a n -- flag )
  dup 1 64 between 0= if 2drop false exit then
  true -rot over + swap do i c@ id-sign? and loop ;

: header? ( -- flag )  \ is the first line a verb and an id?
  at-end? if false exit then
  rest-of-text over swap line-size nip 65536 > if false exit then
  next-line
  next-word verb 2!  more? @ 0= if false exit then
  next-word id 2!  more? @ if false exit then
  verb 2@ nip 0<>  verb 2@ visible? and  id 2@ id? and ;

: empty-floats ( -- )  begin fdepth 0> while fdrop repeat ;

: reply-to-text ( -- )
  0 cursor !  reply clear  said clear
  false recording? !  false draws-told? !  false for-people? !
  header? 0= if s" error - a verb and an id were expected" key, end, exit then
  s" the port failed" reason 2!
  ['] respond-to-verb catch if
    reply clear  s" error " key,  id 2@ key,  reason 2@ word,  end,
  then ;

: answer ( -- )
  reply-to-text empty-floats
  s" end" key, end,
  reply data reply list.size @ type flushemit
  text clear ;

: last-line ( start -- a n )  text data over +  text list.size @ rot - ;
: last-is-end? ( start -- flag )  last-line s" end" same? ;

: serve ( -- )
  text clear
  0 begin key dup -1 <> while  ( start char )
    dup 10 <> if text push-char else
      drop dup last-is-end? if
        text list.size !  true complete? ! answer
      else
        drop 10 text push-char
      then
      text list.size @
    then
  repeat drop
  dup last-is-end? if text list.size !  true complete? ! answer exit then
  text list.size @ < if 10 text push-char then
  text list.size @ if false complete? ! answer then ;

\ The command for people. The shell script says what is wrong with a dataset.

: not-utf8 ( -- )  s" the input is not UTF-8" refuse ;
: next-byte ( -- c )  at-end? if 0 else  rest-of-text drop c@  1 cursor +!  then ;
: continued ( point -- point )  next-byte dup 192 and 128 <> if not-utf8 then  63 and swap 6 lshift or ;
: utf8-point ( -- point )
  next-byte
  dup 128 < if exit then
  dup 224 and 192 = if 31 and continued 128 else
  dup 240 and 224 = if 15 and continued continued 2048 else
  dup 248 and 240 = if 7 and continued continued continued 65536 else not-utf8
  then then then
  over >  over 55296 57343 between or  over 1114111 > or if not-utf8 then ;

: read-dataset ( -- )
  text clear  begin key dup -1 <> while text push-char repeat drop
  0 cursor !  begin-texts
  begin-text begin at-end? 0= while
    utf8-point dup 10 = if drop end-text begin-text else points push then
  repeat end-text ;

: train-for-people ( -- )  read-dataset  true for-people? !  20 run-preset ;
: leave-program ( -- )  -256 throw ;  \ as bye does, which also prints a line feed
: serve-program ( -- )  serve leave-program ;
: seed-program ( -- )  seed ['] train-for-people catch leave-program ;
: classic-program ( -- )  classic ['] train-for-people catch leave-program ;
