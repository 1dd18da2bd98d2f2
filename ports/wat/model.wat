;; The model, its loss, its training, and sampling (SPEC, sections 6 to 9 and 13).

(global $layers (mut i32) (i32.const 0))
(global $heads (mut i32) (i32.const 0))
(global $embedding (mut i32) (i32.const 0))
(global $block (mut i32) (i32.const 0))
(global $vocabulary (mut i32) (i32.const 0))
(global $squared? (mut i32) (i32.const 0))
(global $attend (mut i32) (i32.const 0)) ;; a list of lists
(global $parameters (mut i32) (i32.const 0)) ;; the first of as many nodes as $size says
(global $size (mut i32) (i32.const 0))
(global $matrices (mut i32) (i32.const 0)) ;; a list of lists of rows
(global $keys (mut i32) (i32.const 0)) ;; the caches: lists of nodes, by layer and position
(global $values (mut i32) (i32.const 0))
(global $telling? (mut i32) (i32.const 0)) ;; whether activations are put into the reply

;; The matrices in their order.
(func $matrix-count (result i32) (i32.add (i32.const 3) (i32.mul (global.get $layers) (i32.const 6))))
(func $of-layer (param $k i32) (result i32) ;; its number in the layer, or -1
  (if (i32.lt_u (local.get $k) (i32.const 3)) (then (return (i32.const -1))))
  (i32.rem_u (i32.sub (local.get $k) (i32.const 3)) (i32.const 6)))
(func $rows (param $k i32) (result i32)
  (if (i32.eq (local.get $k) (i32.const 1)) (then (return (global.get $block))))
  (if (i32.lt_u (local.get $k) (i32.const 3)) (then (return (global.get $vocabulary))))
  (i32.shl (global.get $embedding) (i32.shl (i32.eq (call $of-layer (local.get $k)) (i32.const 4)) (i32.const 1))))
(func $columns (param $k i32) (result i32)
  (i32.shl (global.get $embedding) (i32.shl (i32.eq (call $of-layer (local.get $k)) (i32.const 5)) (i32.const 1))))
(func $matrix-name (param $prefix i32) (param $k i32)
  (global.set $name-end (global.get $name))
  (call $name-text (local.get $prefix))
  (if (i32.ge_u (local.get $k) (i32.const 3)) (then
    (call $name-number (global.get $'layer') (i32.div_u (i32.sub (local.get $k) (i32.const 3)) (i32.const 6)))
    (local.set $k (i32.add (call $of-layer (local.get $k)) (i32.const 3)))))
  (call $name-text (i32.add (global.get $'wte') (i32.shl (local.get $k) (i32.const 4)))))
(func $matrix (param $k i32) (result i32) (call $item (global.get $matrices) (local.get $k)))

;; How many parameters the shape has.
(func $count (result i32) (local $k i32) (local $n i32)
  (loop $next
    (local.set $n (i32.add (local.get $n) (i32.mul (call $rows (local.get $k)) (call $columns (local.get $k)))))
    (br_if $next (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (call $matrix-count))))
  (local.get $n))

;; Leaves with n doubles; the first.
(func $leaves (param $doubles i32) (param $n i32) (result i32) (local $first i32) (local $i i32)
  (call $align)
  (local.set $first (global.get $heap))
  (loop $next
    (drop (call $leaf-of (f64.load (call $double-at (local.get $doubles) (local.get $i)))))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.get $first))

;; A model with these parameters.
(func $model (param $doubles i32) (local $k i32) (local $r i32) (local $c i32) (local $at i32) (local $rows i32) (local $row i32)
  (global.set $size (call $count))
  (global.set $parameters (call $leaves (local.get $doubles) (global.get $size)))
  (local.set $at (global.get $parameters))
  (global.set $matrices (call $list (call $matrix-count)))
  (loop $next
    (local.set $rows (call $list (call $rows (local.get $k))))
    (call $set-item (global.get $matrices) (local.get $k) (local.get $rows))
    (local.set $r (i32.const 0))
    (loop $next-row
      (local.set $row (call $list (call $columns (local.get $k))))
      (call $set-item (local.get $rows) (local.get $r) (local.get $row))
      (local.set $c (i32.const 0))
      (loop $next-column
        (call $set-item (local.get $row) (local.get $c) (local.get $at))
        (local.set $at (i32.add (local.get $at) (global.get $node-size)))
        (br_if $next-column (i32.lt_u (local.tee $c (i32.add (local.get $c) (i32.const 1))) (i32.load (local.get $row)))))
      (br_if $next-row (i32.lt_u (local.tee $r (i32.add (local.get $r) (i32.const 1))) (i32.load (local.get $rows)))))
    (br_if $next (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.load (global.get $matrices))))))

;; Puts the nodes of an activation with its name: its layer and head are -1 where it has none.
(func $tell (param $nodes i32) (param $text i32) (param $time i32) (param $layer i32) (param $head i32) (local $i i32)
  (if (i32.eqz (global.get $telling?)) (then (return)))
  (global.set $name-end (global.get $name))
  (call $name-number (global.get $'pos') (local.get $time))
  (if (i32.ge_s (local.get $layer) (i32.const 0)) (then (call $name-number (global.get $'layer') (local.get $layer))))
  (if (i32.ge_s (local.get $head) (i32.const 0)) (then (call $name-number (global.get $'head') (local.get $head))))
  (call $name-text (local.get $text))
  (call $put-tensor-line (i32.const 1) (i32.load (local.get $nodes)))
  (call $put-text (global.get $'row'))
  (loop $next
    (call $put-double (f64.load (call $item (local.get $nodes) (local.get $i))))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.load (local.get $nodes)))))
  (call $put-line))
(func $put-tensor-line (param $rows i32) (param $columns i32)
  (call $put-text (global.get $'tensor'))
  (call $put-space)
  (call $put-text (global.get $name))
  (call $put-space)
  (call $put-integer (local.get $rows))
  (call $put-space)
  (call $put-integer (local.get $columns))
  (call $put-line))

(func $slice (param $list i32) (param $from i32) (param $n i32) (result i32) (local $part i32)
  (local.set $part (call $list (local.get $n)))
  (memory.copy (call $item-at (local.get $part) (i32.const 0)) (call $item-at (local.get $list) (local.get $from))
    (i32.shl (local.get $n) (i32.const 2)))
  (local.get $part))
(func $linear (param $x i32) (param $w i32) (result i32) (local $out i32) (local $i i32)
  (local.set $out (call $list (i32.load (local.get $w))))
  (loop $next
    (call $set-item (local.get $out) (local.get $i) (call $dot (call $item (local.get $w) (local.get $i)) (local.get $x)))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.load (local.get $out)))))
  (local.get $out))
(func $plus-each (param $a i32) (param $b i32) (result i32) (local $out i32) (local $i i32)
  (local.set $out (call $list (i32.load (local.get $a))))
  (loop $next
    (call $set-item (local.get $out) (local.get $i)
      (call $plus (call $item (local.get $a) (local.get $i)) (call $item (local.get $b) (local.get $i))))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.load (local.get $out)))))
  (local.get $out))
(func $scale-each (param $x i32) (param $c f64) (result i32) (local $out i32) (local $i i32)
  (local.set $out (call $list (i32.load (local.get $x))))
  (loop $next
    (call $set-item (local.get $out) (local.get $i) (call $scale (call $item (local.get $x) (local.get $i)) (local.get $c)))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.load (local.get $out)))))
  (local.get $out))
(func $activate (param $x i32) (result i32) (local $out i32) (local $i i32) (local $node i32)
  (local.set $out (call $list (i32.load (local.get $x))))
  (loop $next
    (local.set $node (call $relu (call $item (local.get $x) (local.get $i))))
    (if (global.get $squared?) (then (local.set $node (call $raise (local.get $node) (f64.const 2)))))
    (call $set-item (local.get $out) (local.get $i) (local.get $node))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.load (local.get $out)))))
  (local.get $out))

(func $rmsnorm (param $x i32) (result i32) (local $scale i32) (local $out i32) (local $i i32)
  (local.set $scale (call $scale (call $dot (local.get $x) (local.get $x))
    (f64.div (f64.const 1) (f64.convert_i32_u (i32.load (local.get $x))))))
  (local.set $scale (call $raise (call $shift (local.get $scale) (f64.const 0.00001)) (f64.const -0.5)))
  (local.set $out (call $list (i32.load (local.get $x))))
  (loop $next
    (call $set-item (local.get $out) (local.get $i) (call $mul (call $item (local.get $x) (local.get $i)) (local.get $scale)))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.load (local.get $out)))))
  (local.get $out))

(func $softmax (param $x i32) (result i32)
  (local $n i32) (local $i i32) (local $top f64) (local $exps i32) (local $total i32) (local $inverse f64) (local $local f64)
  (local $out i32)
  (local.set $n (i32.load (local.get $x)))
  (local.set $top (f64.load (call $item (local.get $x) (i32.const 0))))
  (loop $next
    (local.set $inverse (f64.load (call $item (local.get $x) (local.get $i))))
    (if (f64.gt (local.get $inverse) (local.get $top)) (then (local.set $top (local.get $inverse))))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.set $exps (call $list (local.get $n)))
  (local.set $i (i32.const 0))
  (loop $next
    (call $set-item (local.get $exps) (local.get $i)
      (call $exponential (call $shift (call $item (local.get $x) (local.get $i)) (f64.neg (local.get $top)))))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.set $total (call $sum-of (local.get $exps)))
  ;; Each division has a power of its own; they have the same value and local gradient.
  (local.set $inverse (f64.div (f64.const 1) (f64.load (local.get $total))))
  (local.set $local (f64.neg (call $pow (f64.load (local.get $total)) (f64.const -2))))
  (local.set $out (call $list (local.get $n)))
  (local.set $i (i32.const 0))
  (loop $next
    (call $set-item (local.get $out) (local.get $i) (call $mul (call $item (local.get $exps) (local.get $i))
      (call $map-of (local.get $total) (local.get $inverse) (local.get $local))))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.get $out))

;; Attention of one head: its part of q, of the keys and of the values; the nodes go to $out from the item $from on.
(func $attention (param $q i32) (param $time i32) (param $layer i32) (param $head i32) (param $out i32)
  (local $width i32) (local $from i32) (local $attended i32) (local $n i32) (local $i i32) (local $j i32) (local $cache i32)
  (local $scores i32) (local $weights i32) (local $column i32) (local $divisor f64)
  (local.set $width (i32.div_u (global.get $embedding) (global.get $heads)))
  (local.set $from (i32.mul (local.get $head) (local.get $width)))
  (local.set $q (call $slice (local.get $q) (local.get $from) (local.get $width)))
  (local.set $divisor (f64.div (f64.const 1) (f64.sqrt (f64.convert_i32_u (local.get $width)))))
  (local.set $attended (call $item (global.get $attend) (local.get $time)))
  (local.set $n (i32.load (local.get $attended)))
  (local.set $cache (i32.mul (local.get $layer) (global.get $block)))
  (local.set $scores (call $list (local.get $n)))
  (loop $next
    (call $set-item (local.get $scores) (local.get $i) (call $scale
      (call $dot (local.get $q) (call $slice
        (call $item (global.get $keys) (i32.add (local.get $cache) (call $item (local.get $attended) (local.get $i))))
        (local.get $from) (local.get $width)))
      (local.get $divisor)))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (call $tell (local.get $scores) (global.get $'scores') (local.get $time) (local.get $layer) (local.get $head))
  (local.set $weights (call $softmax (local.get $scores)))
  (call $tell (local.get $weights) (global.get $'weights') (local.get $time) (local.get $layer) (local.get $head))
  (loop $next
    (local.set $column (call $list (local.get $n)))
    (local.set $i (i32.const 0))
    (loop $positions
      (call $set-item (local.get $column) (local.get $i) (call $item
        (call $item (global.get $values) (i32.add (local.get $cache) (call $item (local.get $attended) (local.get $i))))
        (i32.add (local.get $from) (local.get $j))))
      (br_if $positions (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (call $set-item (local.get $out) (i32.add (local.get $from) (local.get $j))
      (call $dot (local.get $weights) (local.get $column)))
    (br_if $next (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $width))))
  (if (global.get $telling?) (then (call $tell (call $slice (local.get $out) (local.get $from) (local.get $width))
    (global.get $'mixed') (local.get $time) (local.get $layer) (local.get $head)))))

(func $layer (param $x i32) (param $time i32) (param $layer i32) (result i32)
  (local $w i32) (local $y i32) (local $q i32) (local $cached i32) (local $head i32) (local $mixed i32)
  (local.set $w (i32.add (i32.const 3) (i32.mul (local.get $layer) (i32.const 6))))
  (local.set $cached (i32.add (i32.mul (local.get $layer) (global.get $block)) (local.get $time)))
  (local.set $y (call $rmsnorm (local.get $x)))
  (call $tell (local.get $y) (global.get $'attn_norm') (local.get $time) (local.get $layer) (i32.const -1))
  (local.set $q (call $linear (local.get $y) (call $matrix (local.get $w))))
  (call $tell (local.get $q) (global.get $'q') (local.get $time) (local.get $layer) (i32.const -1))
  (call $set-item (global.get $keys) (local.get $cached)
    (call $linear (local.get $y) (call $matrix (i32.add (local.get $w) (i32.const 1)))))
  (call $tell (call $item (global.get $keys) (local.get $cached))
    (global.get $'k') (local.get $time) (local.get $layer) (i32.const -1))
  (call $set-item (global.get $values) (local.get $cached)
    (call $linear (local.get $y) (call $matrix (i32.add (local.get $w) (i32.const 2)))))
  (call $tell (call $item (global.get $values) (local.get $cached))
    (global.get $'v') (local.get $time) (local.get $layer) (i32.const -1))
  (local.set $mixed (call $list (global.get $embedding)))
  (loop $next
    (call $attention (local.get $q) (local.get $time) (local.get $layer) (local.get $head) (local.get $mixed))
    (br_if $next (i32.lt_u (local.tee $head (i32.add (local.get $head) (i32.const 1))) (global.get $heads))))
  (local.set $y (call $linear (local.get $mixed) (call $matrix (i32.add (local.get $w) (i32.const 3)))))
  (call $tell (local.get $y) (global.get $'attn_out') (local.get $time) (local.get $layer) (i32.const -1))
  (local.set $x (call $plus-each (local.get $y) (local.get $x)))
  (call $tell (local.get $x) (global.get $'attn_residual') (local.get $time) (local.get $layer) (i32.const -1))
  (local.set $y (call $rmsnorm (local.get $x)))
  (call $tell (local.get $y) (global.get $'mlp_norm') (local.get $time) (local.get $layer) (i32.const -1))
  (local.set $y (call $linear (local.get $y) (call $matrix (i32.add (local.get $w) (i32.const 4)))))
  (call $tell (local.get $y) (global.get $'hidden') (local.get $time) (local.get $layer) (i32.const -1))
  (local.set $y (call $activate (local.get $y)))
  (call $tell (local.get $y) (global.get $'activated') (local.get $time) (local.get $layer) (i32.const -1))
  (local.set $y (call $linear (local.get $y) (call $matrix (i32.add (local.get $w) (i32.const 5)))))
  (call $tell (local.get $y) (global.get $'mlp_out') (local.get $time) (local.get $layer) (i32.const -1))
  (local.set $x (call $plus-each (local.get $y) (local.get $x)))
  (call $tell (local.get $x) (global.get $'mlp_residual') (local.get $time) (local.get $layer) (i32.const -1))
  (local.get $x))

(func $empty-caches
  (global.set $keys (call $list (i32.mul (global.get $layers) (global.get $block))))
  (global.set $values (call $list (i32.mul (global.get $layers) (global.get $block)))))

(func $logits (param $token i32) (param $time i32) (result i32) (local $x i32) (local $layer i32)
  (local.set $x (call $plus-each (call $item (call $matrix (i32.const 0)) (local.get $token))
                                 (call $item (call $matrix (i32.const 1)) (local.get $time))))
  (call $tell (local.get $x) (global.get $'embedded') (local.get $time) (i32.const -1) (i32.const -1))
  (local.set $x (call $rmsnorm (local.get $x)))
  (call $tell (local.get $x) (global.get $'normed') (local.get $time) (i32.const -1) (i32.const -1))
  (loop $next
    (local.set $x (call $layer (local.get $x) (local.get $time) (local.get $layer)))
    (br_if $next (i32.lt_u (local.tee $layer (i32.add (local.get $layer) (i32.const 1))) (global.get $layers))))
  (local.set $x (call $linear (local.get $x) (call $matrix (i32.const 2))))
  (call $tell (local.get $x) (global.get $'logits') (local.get $time) (i32.const -1) (i32.const -1))
  (local.get $x))

;; The node of a document's loss; the document is a list of tokens.
(func $loss (param $document i32) (result i32) (local $n i32) (local $time i32) (local $losses i32) (local $x i32)
  (call $empty-caches)
  (local.set $n (i32.sub (i32.load (local.get $document)) (i32.const 1)))
  (if (i32.gt_u (local.get $n) (global.get $block)) (then (local.set $n (global.get $block))))
  (local.set $losses (call $list (local.get $n)))
  (loop $next
    (local.set $x (call $softmax (call $logits (call $item (local.get $document) (local.get $time)) (local.get $time))))
    (call $tell (local.get $x) (global.get $'probabilities') (local.get $time) (i32.const -1) (i32.const -1))
    (call $set-item (local.get $losses) (local.get $time) (call $negative (call $logarithm
      (call $item (local.get $x) (call $item (local.get $document) (i32.add (local.get $time) (i32.const 1)))))))
    (call $tell (call $slice (local.get $losses) (local.get $time) (i32.const 1))
      (global.get $'loss') (local.get $time) (i32.const -1) (i32.const -1))
    (br_if $next (i32.lt_u (local.tee $time (i32.add (local.get $time) (i32.const 1))) (local.get $n))))
  (call $scale (call $sum-of (local.get $losses)) (f64.div (f64.const 1) (f64.convert_i32_u (local.get $n)))))

;; Training.
(global $learning-rate (mut f64) (f64.const 0.01))
(global $beta1 (mut f64) (f64.const 0))
(global $beta2 (mut f64) (f64.const 0))
(global $epsilon (mut f64) (f64.const 0))
(global $cosine? (mut i32) (i32.const 0))
(global $steps (mut i32) (i32.const 0))

(func $rate (param $step i32) (result f64)
  (if (global.get $cosine?) (then (return (f64.mul (f64.mul (global.get $learning-rate) (f64.const 0.5))
    (f64.add (f64.const 1) (call $cos (f64.div
      (f64.mul (f64.const 0x1.921fb54442d18p+1) (f64.convert_i32_u (local.get $step)))
      (f64.convert_i32_u (global.get $steps)))))))))
  (f64.mul (global.get $learning-rate)
    (f64.sub (f64.const 1) (f64.div (f64.convert_i32_u (local.get $step)) (f64.convert_i32_u (global.get $steps))))))
(func $correction (param $beta f64) (param $step i32) (result f64)
  (f64.sub (f64.const 1) (call $pow (local.get $beta) (f64.add (f64.convert_i32_u (local.get $step)) (f64.const 1)))))

;; Updates n nodes from p on by their gradients, and the moments m and v.
(func $update (param $step i32) (param $p i32) (param $n i32) (param $m i32) (param $v i32)
  (local $rate f64) (local $correction1 f64) (local $correction2 f64) (local $g f64) (local $x f64) (local $y f64)
  (local.set $rate (call $rate (local.get $step)))
  (local.set $correction1 (call $correction (global.get $beta1) (local.get $step)))
  (local.set $correction2 (call $correction (global.get $beta2) (local.get $step)))
  (loop $next
    (local.set $g (f64.load offset=8 (local.get $p)))
    (local.set $x (f64.add (f64.mul (global.get $beta1) (f64.load (local.get $m)))
                           (f64.mul (f64.sub (f64.const 1) (global.get $beta1)) (local.get $g))))
    (local.set $y (f64.add (f64.mul (global.get $beta2) (f64.load (local.get $v)))
                           (f64.mul (f64.sub (f64.const 1) (global.get $beta2)) (f64.mul (local.get $g) (local.get $g)))))
    (f64.store (local.get $m) (local.get $x))
    (f64.store (local.get $v) (local.get $y))
    (f64.store (local.get $p) (f64.sub (f64.load (local.get $p))
      (f64.div (f64.mul (local.get $rate) (f64.div (local.get $x) (local.get $correction1)))
               (f64.add (call $pow (f64.div (local.get $y) (local.get $correction2)) (f64.const 0.5))
                        (global.get $epsilon)))))
    (local.set $p (i32.add (local.get $p) (global.get $node-size)))
    (local.set $m (i32.add (local.get $m) (i32.const 8)))
    (local.set $v (i32.add (local.get $v) (i32.const 8)))
    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

;; One step on a document; the loss.  The heap is then as it was before.
(func $train-step (param $step i32) (param $document i32) (param $m i32) (param $v i32) (result f64)
  (local $mark i32) (local $root i32) (local $i i32) (local $at i32)
  (local.set $mark (global.get $heap))
  (local.set $at (global.get $parameters))
  (loop $next
    (f64.store offset=8 (local.get $at) (f64.const 0))
    (local.set $at (i32.add (local.get $at) (global.get $node-size)))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (global.get $size))))
  (local.set $root (call $loss (local.get $document)))
  (call $backward (local.get $root))
  (call $update (local.get $step) (global.get $parameters) (global.get $size) (local.get $m) (local.get $v))
  (global.set $heap (local.get $mark))
  (f64.load (local.get $root)))

;; Zeroed moments.
(func $zeros (param $n i32) (result i32) (local $at i32)
  (local.set $at (call $doubles (local.get $n)))
  (memory.fill (local.get $at) (i32.const 0) (i32.shl (local.get $n) (i32.const 3)))
  (local.get $at))

;; A line with the checksum of n doubles, each so many bytes behind the one before.
(func $put-checksum (param $key i32) (param $at i32) (param $stride i32) (param $n i32)
  (local $a i64) (local $b i64) (local $bits i64) (local $half i32)
  (local.set $a (i64.const 1))
  (loop $next
    (local.set $bits (i64.rotl (call $pattern (f64.load (local.get $at))) (i64.const 32)))
    (local.set $half (i32.const 2))
    (loop $halves
      (local.set $a (i64.rem_u (i64.add (local.get $a) (i64.and (local.get $bits) (i64.const 0xffffffff)))
                               (i64.const 4294967291)))
      (local.set $b (i64.rem_u (i64.add (local.get $b) (local.get $a)) (i64.const 4294967291)))
      (local.set $bits (i64.shr_u (local.get $bits) (i64.const 32)))
      (br_if $halves (local.tee $half (i32.sub (local.get $half) (i32.const 1)))))
    (local.set $at (i32.add (local.get $at) (local.get $stride)))
    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (call $put-text (local.get $key))
  (call $put-space)
  (call $put-hex (local.get $a) (i32.const 8))
  (call $put-space)
  (call $put-hex (local.get $b) (i32.const 8))
  (call $put-line))

;; One sample.  Its tokens are put as characters of a list, or with their probabilities if there is no such list.
(func $sample (param $temperature f64) (param $characters i32)
  (local $mark i32) (local $time i32) (local $token i32) (local $bos i32) (local $nodes i32) (local $weights i32) (local $i i32)
  (local.set $mark (global.get $heap))
  (call $empty-caches)
  (local.set $bos (i32.sub (global.get $vocabulary) (i32.const 1)))
  (local.set $token (local.get $bos))
  (block $end (loop $next
    (br_if $end (i32.eq (local.get $time) (global.get $block)))
    (local.set $nodes (call $softmax (call $scale-each (call $logits (local.get $token) (local.get $time))
      (f64.div (f64.const 1) (local.get $temperature)))))
    (local.set $weights (call $doubles (global.get $vocabulary)))
    (local.set $i (i32.const 0))
    (loop $each
      (f64.store (call $double-at (local.get $weights) (local.get $i))
        (f64.load (call $item (local.get $nodes) (local.get $i))))
      (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (global.get $vocabulary))))
    (local.set $token (call $choice (local.get $weights) (global.get $vocabulary)))
    (if (i32.eqz (local.get $characters)) (then
      (call $put-text (global.get $'probabilities'))
      (call $put-doubles (local.get $weights) (i32.const 8) (global.get $vocabulary))
      (call $put-number (global.get $'token') (local.get $token))))
    (br_if $end (i32.eq (local.get $token) (local.get $bos)))
    (if (local.get $characters)
      (then (call $put-character (call $item (local.get $characters) (local.get $token)))))
    (local.set $time (i32.add (local.get $time) (i32.const 1)))
    (br $next)))
  (global.set $heap (local.get $mark)))

;; n doubles, each so many bytes behind the one before, and the end of the line.
(func $put-doubles (param $at i32) (param $stride i32) (param $n i32)
  (loop $next
    (call $put-double (f64.load (local.get $at)))
    (local.set $at (i32.add (local.get $at) (local.get $stride)))
    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (call $put-line))
