;;; The generator of random numbers, the model, its training, samples, and a whole run.

(library (model)
  (export seeded-generator make-generator generator-index generator-words generator-kept
          random-word random-double gauss shuffle! choice
          make-shape shape-vocabulary matrices make-model model-nodes document-loss sample
          make-settings settings-steps rates update! train-step!
          documents-of vocabulary-of encode decimals presets run
          tabulate map-in-order join refuse)
  (import (chezscheme) (exact) (graph))

  ;; Everything that is wrong with what the port is given is raised as a string: the reason.
  (define (refuse . parts) (raise (apply format parts)))

  ;; The vector of (make 0), (make 1), ..., made in this order.
  (define (tabulate count make)
    (let ([items (make-vector count)])
      (do ([i 0 (+ i 1)])
          ((= i count) items)
        (vector-set! items i (make i)))))

  ;; Like map, whose order of calls is not laid down.
  (define (map-in-order f items)
    (if (null? items)
        '()
        (let ([first (f (car items))])
          (cons first (map-in-order f (cdr items))))))

  (define (join vectors) (list->vector (apply append (map vector->list vectors))))

  ;; ---- Random numbers: MT19937 and what is drawn from it.

  (define-record-type generator
    (fields words (mutable index) (mutable kept)))

  (define (word x) (bitwise-and x #xffffffff))

  (define (seeded-generator seed)
    (define mt (make-vector 624 19650218))
    (define (mixed i factor)
      (let ([before (vector-ref mt (- i 1))])
        (* factor (bitwise-xor before (ash before -30)))))
    (define (stir i rounds new)
      (vector-set! mt i (word (new i)))
      (let ([next (if (= i 623) 1 (+ i 1))])
        (when (= i 623)
          (vector-set! mt 0 (vector-ref mt 623)))
        (if (= rounds 1) next (stir next (- rounds 1) new))))
    (do ([i 1 (+ i 1)])
        ((= i 624))
      (vector-set! mt i (word (+ (mixed i 1812433253) i))))
    (let ([i (stir 1 624 (lambda (i) (+ (bitwise-xor (vector-ref mt i) (mixed i 1664525)) seed)))])
      (stir i 623 (lambda (i) (- (bitwise-xor (vector-ref mt i) (mixed i 1566083941)) i))))
    (vector-set! mt 0 (ash 1 31))
    (make-generator mt 624 #f))

  (define (renew! mt)
    (do ([i 0 (fx+ i 1)])
        ((fx= i 624))
      (let ([y (fxior (fxand (vector-ref mt i) #x80000000)
                      (fxand (vector-ref mt (fxmod (fx+ i 1) 624)) #x7fffffff))])
        (vector-set! mt i
          (fxxor (vector-ref mt (fxmod (fx+ i 397) 624)) (fxsrl y 1) (if (fxodd? y) 2567483615 0))))))

  (define (random-word g)
    (when (= (generator-index g) 624)
      (renew! (generator-words g))
      (generator-index-set! g 0))
    (let* ([y (vector-ref (generator-words g) (generator-index g))]
           [y (fxxor y (fxsrl y 11))]
           [y (fxxor y (fxand (fxsll y 7) 2636928640))]
           [y (fxxor y (fxand (fxsll y 15) 4022730752))])
      (generator-index-set! g (+ (generator-index g) 1))
      (fxxor y (fxsrl y 18))))

  (define (random-double g)
    (let* ([a (ash (random-word g) -5)] [b (ash (random-word g) -6)])
      (fl/ (inexact (+ (* a 67108864) b)) 9007199254740992.0)))

  (define (gauss g sigma)
    (define kept (generator-kept g))
    (define (fresh)
      (let* ([x (fl* (random-double g) 6.283185307179586)]
             [r (flsqrt (fl* -2.0 (exact-log (fl- 1.0 (random-double g)))))])
        (generator-kept-set! g (fl* (exact-sin x) r))
        (fl* (exact-cos x) r)))
    (generator-kept-set! g #f)
    (fl+ 0.0 (fl* (or kept (fresh)) sigma)))

  (define (below g n)
    (let ([x (ash (random-word g) (- (bitwise-length n) 32))])
      (if (< x n) x (below g n))))

  (define (shuffle! g items)
    (do ([i (- (vector-length items) 1) (- i 1)])
        ((< i 1))
      (let* ([j (below g (+ i 1))] [item (vector-ref items i)])
        (vector-set! items i (vector-ref items j))
        (vector-set! items j item))))

  (define (choice g weights)
    (define sum (vector-ref weights 0))
    (define cumulative
      (tabulate (vector-length weights)
        (lambda (i)
          (unless (zero? i)
            (set! sum (fl+ sum (vector-ref weights i))))
          sum)))
    (unless (fl< 0.0 sum infinity)
      (refuse "the weights must add up to a finite number above 0"))
    (let ([u (fl* (random-double g) (fl+ sum 0.0))])
      (let search ([low 0] [high (- (vector-length weights) 1)])
        (let ([middle (div (+ low high) 2)])
          (cond
            [(>= low high) low]
            [(fl< u (vector-ref cumulative middle)) (search low middle)]
            [else (search (+ middle 1) high)])))))

  ;; ---- The model.

  (define-record-type shape
    (fields layers heads embedding block vocabulary squared? attention))

  ;; Name, rows and columns of every matrix of parameters, in order.
  (define (matrices shape)
    (define e (shape-embedding shape))
    (define (layer i)
      (map (lambda (matrix) (cons (format "layer~d.~a" i (car matrix)) (cdr matrix)))
           `(["attn_wq" ,e ,e] ["attn_wk" ,e ,e] ["attn_wv" ,e ,e] ["attn_wo" ,e ,e]
             ["mlp_fc1" ,(* 4 e) ,e] ["mlp_fc2" ,e ,(* 4 e)])))
    `(["wte" ,(shape-vocabulary shape) ,e]
      ["wpe" ,(shape-block shape) ,e]
      ["lm_head" ,(shape-vocabulary shape) ,e]
      ,@(apply append (map layer (iota (shape-layers shape))))))

  ;; nodes: a vector of all parameters. matrices: for each matrix, the vector of its rows.
  (define-record-type model
    (fields shape nodes matrices)
    (protocol
      (lambda (new)
        (lambda (shape doubles)
          (let ([nodes (vector-map leaf doubles)] [next -1])
            (define (matrix rows columns)
              (tabulate rows
                (lambda (row) (tabulate columns (lambda (column) (set! next (+ next 1)) (vector-ref nodes next))))))
            (new shape nodes (map-in-order (lambda (m) (apply matrix (cdr m))) (matrices shape))))))))

  (define (linear x matrix) (vector-map (lambda (row) (dot row x)) matrix))

  (define (rmsnorm x)
    (let* ([mean (divided (dot x x) (inexact (vector-length x)))]
           [scale (node-pow (shift mean 0.00001) -0.5)])
      (vector-map (lambda (a) (mul a scale)) x)))

  (define (softmax x)
    (let* ([greater (lambda (a b) (if (fl> b a) b a))]
           [values (map node-value (vector->list x))]
           [top (fold-left greater (car values) (cdr values))]
           [exps (vector-map (lambda (a) (node-exp (shift a (fl- top)))) x)])
      (quotients exps (total exps))))

  ;; Of one layer: the keys and values of each position so far.
  (define-record-type cache
    (fields keys values))

  (define (empty-caches shape)
    (map (lambda (layer) (make-cache (make-vector (shape-block shape)) (make-vector (shape-block shape))))
         (iota (shape-layers shape))))

  ;; Shows an activation to whoever watches: a procedure of place (a list of position, layer and head, as far
  ;; as they apply), name and nodes.
  (define watcher (make-parameter #f))

  (define (seen place name nodes)
    (when (watcher)
      ((watcher) place name nodes))
    nodes)

  ;; The mixed values of all heads, joined.
  (define (attend shape position layer q cache)
    (define size (div (shape-embedding shape) (shape-heads shape)))
    (define attended (vector-ref (shape-attention shape) position))
    (define (head h)
      (define place (list position layer h))
      (define (part x) (tabulate size (lambda (j) (vector-ref x (+ (* h size) j)))))
      (define query (part q))
      (define (score s)
        (divided (dot query (part (vector-ref (cache-keys cache) s))) (flsqrt (inexact size))))
      (let* ([scores (seen place "scores" (vector-map score attended))]
             [weights (seen place "weights" (softmax scores))]
             [values (vector-map (lambda (s) (part (vector-ref (cache-values cache) s))) attended)])
        (define (mix j) (dot weights (vector-map (lambda (value) (vector-ref value j)) values)))
        (seen place "mixed" (tabulate size mix))))
    (join (map-in-order head (iota (shape-heads shape)))))

  (define (activate shape a)
    (if (shape-squared? shape) (node-pow (relu a) 2.0) (relu a)))

  ;; The logits of what follows token at position. The caches grow by this position.
  (define (logits model token position caches)
    (define shape (model-shape model))
    (define (block layer x cache wq wk wv wo fc1 fc2)
      (define (here name nodes) (seen (list position layer) name nodes))
      (let* ([normed (here "attn_norm" (rmsnorm x))]
             [q (here "q" (linear normed wq))])
        (vector-set! (cache-keys cache) position (here "k" (linear normed wk)))
        (vector-set! (cache-values cache) position (here "v" (linear normed wv)))
        (let* ([out (here "attn_out" (linear (attend shape position layer q cache) wo))]
               [x (here "attn_residual" (vector-map add out x))]
               [normed (here "mlp_norm" (rmsnorm x))]
               [hidden (here "hidden" (linear normed fc1))]
               [activated (here "activated" (vector-map (lambda (a) (activate shape a)) hidden))]
               [out (here "mlp_out" (linear activated fc2))])
          (here "mlp_residual" (vector-map add out x)))))
    (define (here name nodes) (seen (list position) name nodes))
    (let*-values ([(wte wpe lm-head . layers) (apply values (model-matrices model))]
                  [(x) (here "embedded" (vector-map add (vector-ref wte token) (vector-ref wpe position)))])
      (let climb ([layer 0] [x (here "normed" (rmsnorm x))] [caches caches] [weights layers])
        (if (null? caches)
            (here "logits" (linear x lm-head))
            (climb (+ layer 1)
                   (apply block layer x (car caches) (list-head weights 6))
                   (cdr caches)
                   (list-tail weights 6))))))

  ;; The node of the loss: the mean of -log p(next token). watch may be #f.
  (define document-loss
    (case-lambda
      [(model tokens) (document-loss model tokens #f)]
      [(model tokens watch)
       (parameterize ([watcher watch])
         (let ([count (min (shape-block (model-shape model)) (- (vector-length tokens) 1))]
               [caches (empty-caches (model-shape model))])
           (define (loss position)
             (let* ([logits (logits model (vector-ref tokens position) position caches)]
                    [probabilities (seen (list position) "probabilities" (softmax logits))]
                    [next (vector-ref tokens (+ position 1))]
                    [loss (neg (node-log (vector-ref probabilities next)))])
               (seen (list position) "loss" (vector loss))
               loss))
           (divided (total (tabulate count loss)) (inexact count))))]))

  ;; A list of tokens until BOS or the end of the block. drawn is told the probabilities and the token.
  (define (sample model temperature g drawn)
    (define shape (model-shape model))
    (define bos (- (shape-vocabulary shape) 1))
    (define caches (empty-caches shape))
    (let draw ([position 0] [token bos])
      (if (= position (shape-block shape))
          '()
          (let* ([logits (logits model token position caches)]
                 [scaled (vector-map (lambda (a) (divided a temperature)) logits)]
                 [probabilities (vector-map node-value (softmax scaled))]
                 [token (choice g probabilities)])
            (drawn probabilities token)
            (if (= token bos)
                '()
                (cons token (draw (+ position 1) token)))))))

  ;; ---- Training.

  (define-record-type settings
    (fields learning-rate beta1 beta2 epsilon schedule steps))

  ;; The rate and the two corrections of a step.
  (define (rates settings step)
    (let ([s (inexact step)]
          [n (inexact (settings-steps settings))]
          [rate (settings-learning-rate settings)])
      (define (correction beta) (fl- 1.0 (exact-pow beta (fl+ s 1.0))))
      (values (case (settings-schedule settings)
                [(linear) (fl* rate (fl- 1.0 (fl/ s n)))]
                [(cosine) (fl* (fl* rate 0.5) (fl+ 1.0 (exact-cos (fl/ (fl* 3.141592653589793 s) n))))])
              (correction (settings-beta1 settings))
              (correction (settings-beta2 settings)))))

  ;; Adam. All are nodes or doubles of the same number; m and v change, and so do the nodes' values.
  (define (update! settings step nodes m v)
    (let-values ([(rate correction1 correction2) (rates settings step)]
                 [(beta1) (settings-beta1 settings)]
                 [(beta2) (settings-beta2 settings)])
      (define (root x) (if (fl> x 0.0) (flsqrt x) (exact-pow x 0.5)))
      (do ([i 0 (fx+ i 1)])
          ((fx= i (vector-length nodes)))
        (let* ([node (vector-ref nodes i)]
               [g (node-gradient node)]
               [mi (fl+ (fl* beta1 (vector-ref m i)) (fl* (fl- 1.0 beta1) g))]
               [vi (fl+ (fl* beta2 (vector-ref v i)) (fl* (fl- 1.0 beta2) (fl* g g)))]
               [change (fl/ (fl* rate (fl/ mi correction1))
                            (fl+ (root (fl/ vi correction2)) (settings-epsilon settings)))])
          (vector-set! m i mi)
          (vector-set! v i vi)
          (node-value-set! node (fl- (node-value node) change))))))

  ;; The loss before the update. The nodes keep their gradients.
  (define (train-step! model settings step tokens m v)
    (define nodes (model-nodes model))
    (vector-for-each (lambda (node) (node-gradient-set! node 0.0)) nodes)
    (let ([loss (document-loss model tokens)])
      (backward loss)
      (update! settings step nodes m v)
      (node-value loss)))

  ;; ---- A whole run.

  ;; The stripped lines that are not empty, as a vector. A line is a list of characters.
  (define (documents-of lines)
    (define (space? c) (or (char=? c #\space) (char<=? #\tab c #\return)))
    (define (strip line) (if (and (pair? line) (space? (car line))) (strip (cdr line)) line))
    (let ([documents (remp null? (map (lambda (line) (reverse (strip (reverse (strip line))))) lines))])
      (when (null? documents)
        (refuse "the dataset has no documents"))
      (list->vector documents)))

  ;; The distinct characters in order, as a vector.
  (define (vocabulary-of documents)
    (let ([known (make-eqv-hashtable)])
      (vector-for-each (lambda (document) (for-each (lambda (c) (hashtable-set! known c #t)) document)) documents)
      (when (> (hashtable-size known) 2047)
        (refuse "the dataset has more than 2047 distinct characters"))
      (vector-sort char<? (hashtable-keys known))))

  (define (encode vocabulary document)
    (define bos (vector-length vocabulary))
    (define (token c)
      (let search ([low 0] [high bos])
        (let ([middle (div (+ low high) 2)])
          (cond
            [(char=? c (vector-ref vocabulary middle)) middle]
            [(char<? c (vector-ref vocabulary middle)) (search low middle)]
            [else (search (+ middle 1) high)]))))
    `#(,bos ,@(map token document) ,bos))

  ;; Four decimals, rounded from the exact value. -0.0 keeps its sign.
  (define (decimals x)
    (cond
      [(flnan? x) "nan"]
      [(flinfinite? x) (if (fl> x 0.0) "inf" "-inf")]
      [else
       (let-values ([(whole fraction) (div-and-mod (round (* 10000 (abs (exact x)))) 10000)])
         (format "~a~d.~4,'0d" (if (bitwise-bit-set? (double->bits x) 63) "-" "") whole fraction))]))

  (define-record-type preset
    (fields block sigma output-sigma squared? settings))

  (define presets
    `(["seed" . ,(make-preset 8 0.02 0.0 #t (make-settings 0.01 0.9 0.95 1e-8 'cosine 500))]
      ["classic" . ,(make-preset 16 0.08 0.08 #f (make-settings 0.01 0.85 0.99 1e-8 'linear 1000))]))

  (define (with-steps settings steps)
    (make-settings (settings-learning-rate settings) (settings-beta1 settings) (settings-beta2 settings)
                   (settings-epsilon settings) (settings-schedule settings) steps))

  (define (draw-parameters preset shape g)
    (define (draw matrix)
      (let ([sigma (if (member (car matrix) '("layer0.attn_wo" "layer0.mlp_fc2"))
                       (preset-output-sigma preset)
                       (preset-sigma preset))])
        (tabulate (apply * (cdr matrix)) (lambda (i) (gauss g sigma)))))
    (join (map-in-order draw (matrices shape))))

  ;; Says each line that is printed, a string. steps may be #f. Returns the model, both moments and the generator.
  (define (run preset steps samples lines say)
    (let* ([g (seeded-generator 42)]
           [documents (documents-of lines)]
           [_ (shuffle! g documents)]
           [vocabulary (vocabulary-of documents)]
           [size (+ (vector-length vocabulary) 1)]
           [block (preset-block preset)]
           [causal (tabulate block (lambda (t) (list->vector (iota (+ t 1)))))]
           [shape (make-shape 1 4 16 block size (preset-squared? preset) causal)]
           [model (make-model shape (draw-parameters preset shape g))]
           [count (vector-length (model-nodes model))]
           [m (make-vector count 0.0)]
           [v (make-vector count 0.0)]
           [steps (or steps (settings-steps (preset-settings preset)))]
           [settings (with-steps (preset-settings preset) steps)])
      (say (format "num docs: ~d" (vector-length documents)))
      (say (format "vocab size: ~d" size))
      (say (format "num params: ~d" count))
      (do ([step 0 (+ step 1)])
          ((= step steps))
        (let* ([document (vector-ref documents (mod step (vector-length documents)))]
               [loss (train-step! model settings step (encode vocabulary document) m v)])
          (say (format "step ~4d / ~4d | loss ~a" (+ step 1) steps (decimals loss)))))
      (say "")
      (say "--- inference (new, hallucinated names) ---")
      (do ([number 1 (+ number 1)])
          ((> number samples))
        (let ([tokens (sample model 0.5 g (lambda (probabilities token) (void)))])
          (say (format "sample ~2d: ~a" number
                       (list->string (map (lambda (token) (vector-ref vocabulary token)) tokens))))))
      (values model m v g))))
