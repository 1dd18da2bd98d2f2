#lang racket/base
;; The generator of random numbers, the model, its training, samples, and a whole run.

(require racket/fixnum racket/flonum racket/format racket/list racket/math racket/string racket/vector
         "exact.rkt" "graph.rkt")
(provide (struct-out generator) seeded-generator random-word random-double gauss! shuffle! choice
         (struct-out shape) matrices (struct-out model) new-model values-of gradients-of document-loss sample
         (struct-out settings) rates update! train-step!
         (struct-out exn:fail:request) refuse
         documents-of vocabulary-of encode decimals presets run)

;; Something is wrong with what the port was given. The message says what.
(struct exn:fail:request exn:fail ())

(define (refuse format-string . arguments)
  (raise (exn:fail:request (apply format format-string arguments) (current-continuation-marks))))

;; ---- Random numbers: MT19937 and what is drawn from it.

(struct generator (words [index #:mutable] [kept #:mutable]))

(define (word x) (bitwise-and x #xffffffff))

(define (seeded-generator seed)
  (define mt (make-fxvector 624 19650218))
  (define (mixed i factor)
    (define before (fxvector-ref mt (sub1 i)))
    (* factor (bitwise-xor before (arithmetic-shift before -30))))
  (define (stir i rounds new)
    (for/fold ([i i]) ([_ (in-range rounds)])
      (fxvector-set! mt i (word (new i)))
      (cond
        [(= i 623) (fxvector-set! mt 0 (fxvector-ref mt 623)) 1]
        [else (add1 i)])))
  (for ([i (in-range 1 624)])
    (fxvector-set! mt i (word (+ (mixed i 1812433253) i))))
  (define i (stir 1 624 (λ (i) (+ (bitwise-xor (fxvector-ref mt i) (mixed i 1664525)) seed))))
  (void (stir i 623 (λ (i) (- (bitwise-xor (fxvector-ref mt i) (mixed i 1566083941)) i))))
  (fxvector-set! mt 0 (expt 2 31))
  (generator mt 624 #f))

(define (renew! mt)
  (for ([i (in-range 624)])
    (define y
      (fxior (fxand (fxvector-ref mt i) #x80000000)
             (fxand (fxvector-ref mt (fxmodulo (fx+ i 1) 624)) #x7fffffff)))
    (fxvector-set! mt i
                   (fxxor (fxvector-ref mt (fxmodulo (fx+ i 397) 624))
                          (fxrshift y 1)
                          (if (odd? y) 2567483615 0)))))

(define (random-word g)
  (when (= (generator-index g) 624)
    (renew! (generator-words g))
    (set-generator-index! g 0))
  (let* ([y (fxvector-ref (generator-words g) (generator-index g))]
         [y (fxxor y (fxrshift y 11))]
         [y (fxxor y (fxand (fxlshift y 7) 2636928640))]
         [y (fxxor y (fxand (fxlshift y 15) 4022730752))])
    (set-generator-index! g (add1 (generator-index g)))
    (fxxor y (fxrshift y 18))))

(define (random-double g)
  (define a (fxrshift (random-word g) 5))
  (define b (fxrshift (random-word g) 6))
  (fl/ (->fl (+ (* a 67108864) b)) 9007199254740992.0))

(define (gauss! g sigma)
  (define kept (generator-kept g))
  (define z
    (cond
      [kept (set-generator-kept! g #f) kept]
      [else
       (define x (fl* (random-double g) 6.283185307179586))
       (define r (flsqrt (fl* -2.0 (exact-log (fl- 1.0 (random-double g))))))
       (set-generator-kept! g (fl* (exact-sin x) r))
       (fl* (exact-cos x) r)]))
  (fl+ 0.0 (fl* z sigma)))

(define (below g n)
  (define x (arithmetic-shift (random-word g) (- (integer-length n) 32)))
  (if (< x n) x (below g n)))

(define (shuffle! g items)
  (for ([i (in-range (sub1 (vector-length items)) 0 -1)])
    (define j (below g (add1 i)))
    (define item (vector-ref items i))
    (vector-set! items i (vector-ref items j))
    (vector-set! items j item)))

(define (choice g weights)
  (define-values (sum sums)
    (for/fold ([sum 0.0] [sums '()]) ([weight (in-vector weights)])
      (define next (fl+ sum weight))
      (values next (cons next sums))))
  (unless (< 0.0 sum +inf.0)
    (refuse "the weights must add up to a finite number above 0"))
  (define cumulative (list->vector (reverse sums)))
  (define u (fl* (random-double g) sum))
  (let search ([low 0] [high (sub1 (vector-length weights))])
    (define middle (quotient (+ low high) 2))
    (cond
      [(= low high) low]
      [(fl< u (vector-ref cumulative middle)) (search low middle)]
      [else (search (add1 middle) high)])))

;; ---- The model.

(struct shape (layers heads embedding block vocabulary squared? attention))

;; Name, rows and columns of every matrix of parameters, in order.
(define (matrices s)
  (define e (shape-embedding s))
  `(("wte" ,(shape-vocabulary s) ,e)
    ("wpe" ,(shape-block s) ,e)
    ("lm_head" ,(shape-vocabulary s) ,e)
    ,@(for*/list ([i (in-range (shape-layers s))]
                  [matrix (in-list `(("attn_wq" ,e ,e) ("attn_wk" ,e ,e) ("attn_wv" ,e ,e) ("attn_wo" ,e ,e)
                                     ("mlp_fc1" ,(* 4 e) ,e) ("mlp_fc2" ,e ,(* 4 e))))])
        (cons (format "layer~a.~a" i (first matrix)) (rest matrix)))))

;; nodes: a vector of all parameters. weights: for each matrix, the vector of its rows.
(struct model (shape nodes weights))

(define (new-model shape parameters)
  (define nodes (vector-map leaf parameters))
  (define-values (_ weights)
    (for/fold ([start 0] [weights '()] #:result (values start (reverse weights)))
              ([matrix (in-list (matrices shape))])
      (define-values (rows columns) (apply values (rest matrix)))
      (define end (+ start (* rows columns)))
      (values end
              (cons (for/vector #:length rows ([row (in-range start end columns)])
                      (vector-copy nodes row (+ row columns)))
                    weights))))
  (model shape nodes weights))

(define (values-of nodes) (vector-map node-value nodes))
(define (gradients-of nodes) (vector-map node-gradient nodes))

(define (linear x matrix)
  (for/vector #:length (vector-length matrix) ([row (in-vector matrix)])
    (dot row x)))

(define (rmsnorm x)
  (define mean (divided (dot x x) (->fl (vector-length x))))
  (define scale (node-pow (shift mean 0.00001) -0.5))
  (vector-map (λ (a) (mul a scale)) x))

(define (softmax x)
  (define top
    (for/fold ([top (node-value (vector-ref x 0))]) ([a (in-vector x)])
      (if (fl> (node-value a) top) (node-value a) top)))
  (define exps (vector-map (λ (a) (node-exp (shift a (fl* -1.0 top)))) x))
  (quotients exps (total exps)))

;; Of one layer: the keys and values of each position so far.
(struct cache (keys values))

(define (empty-caches s)
  (for/list ([_ (in-range (shape-layers s))])
    (cache (make-vector (shape-block s)) (make-vector (shape-block s)))))

;; Is shown every activation: its name and its nodes.
(define current-watcher (make-parameter void))

;; For a place such as "pos~a.layer~a." and its numbers, a procedure that shows an activation there and
;; returns its nodes.
(define ((shown-at place . numbers) name nodes)
  (define watcher (current-watcher))
  (unless (eq? watcher void)
    (watcher (string-append (apply format place numbers) name) nodes))
  nodes)

;; The mixed values of all heads, joined.
(define (attend s position layer q layer-cache)
  (define size (quotient (shape-embedding s) (shape-heads s)))
  (define attended (vector-ref (shape-attention s) position))
  (define root (exact-pow (->fl size) 0.5))
  (define (mixed head)
    (define here (shown-at "pos~a.layer~a.head~a." position layer head))
    (define (part x) (vector-copy x (* head size) (* (add1 head) size)))
    (define query (part q))
    (define scores
      (for/vector #:length (length attended) ([p (in-list attended)])
        (divided (dot query (part (vector-ref (cache-keys layer-cache) p))) root)))
    (here "scores" scores)
    (define weights (here "weights" (softmax scores)))
    (here "mixed"
          (for/vector #:length size ([j (in-range (* head size) (* (add1 head) size))])
            (dot weights
                 (for/vector #:length (length attended) ([p (in-list attended)])
                   (vector-ref (vector-ref (cache-values layer-cache) p) j))))))
  (apply vector-append (map mixed (range (shape-heads s)))))

(define (activate s a)
  (if (shape-squared? s) (node-pow (relu a) 2.0) (relu a)))

;; The output of one layer for its input x. The cache grows by this position.
(define (transform s position layer x layer-cache wq wk wv wo fc1 fc2)
  (define here (shown-at "pos~a.layer~a." position layer))
  (define attn-norm (here "attn_norm" (rmsnorm x)))
  (define q (here "q" (linear attn-norm wq)))
  (vector-set! (cache-keys layer-cache) position (here "k" (linear attn-norm wk)))
  (vector-set! (cache-values layer-cache) position (here "v" (linear attn-norm wv)))
  (define attn-out (here "attn_out" (linear (attend s position layer q layer-cache) wo)))
  (define residual (here "attn_residual" (vector-map add attn-out x)))
  (define hidden (here "hidden" (linear (here "mlp_norm" (rmsnorm residual)) fc1)))
  (define activated (here "activated" (vector-map (λ (a) (activate s a)) hidden)))
  (define mlp-out (here "mlp_out" (linear activated fc2)))
  (here "mlp_residual" (vector-map add mlp-out residual)))

;; The logits of what follows token at position.
(define (logits m token position caches)
  (define s (model-shape m))
  (define here (shown-at "pos~a." position))
  (define-values (embeddings layers) (split-at (model-weights m) 3))
  (define-values (wte wpe lm-head) (apply values embeddings))
  (define embedded (here "embedded" (vector-map add (vector-ref wte token) (vector-ref wpe position))))
  (let climb ([layer 0] [x (here "normed" (rmsnorm embedded))] [caches caches] [weights layers])
    (cond
      [(null? caches) (here "logits" (linear x lm-head))]
      [else
       (define-values (own others) (split-at weights 6))
       (climb (add1 layer) (apply transform s position layer x (first caches) own) (rest caches) others)])))

;; The node of the loss: the mean of -log p(next token).
(define (document-loss m tokens #:watch [watcher void])
  (define s (model-shape m))
  (define caches (empty-caches s))
  (define count (min (shape-block s) (sub1 (vector-length tokens))))
  (define (loss-at position)
    (define here (shown-at "pos~a." position))
    (define predicted (logits m (vector-ref tokens position) position caches))
    (define probabilities (here "probabilities" (softmax predicted)))
    (define loss (neg (node-log (vector-ref probabilities (vector-ref tokens (add1 position))))))
    (here "loss" (vector loss))
    loss)
  (parameterize ([current-watcher watcher])
    (divided (total (build-vector count loss-at)) (->fl count))))

;; A list of tokens until BOS or the end of the block. on-draw is told the probabilities and the token.
(define (sample m temperature g #:on-draw [on-draw void])
  (define s (model-shape m))
  (define bos (sub1 (shape-vocabulary s)))
  (define caches (empty-caches s))
  (let draw ([position 0] [token bos])
    (cond
      [(= position (shape-block s)) '()]
      [else
       (define scaled (vector-map (λ (a) (divided a temperature)) (logits m token position caches)))
       (define probabilities (values-of (softmax scaled)))
       (define next (choice g probabilities))
       (on-draw probabilities next)
       (if (= next bos) '() (cons next (draw (add1 position) next)))])))

;; ---- Training.

(struct settings (learning-rate beta1 beta2 epsilon schedule steps))

;; The rate and the two corrections of a step.
(define (rates s step)
  (define progress (->fl step))
  (define steps (->fl (settings-steps s)))
  (define (correction beta) (fl- 1.0 (exact-pow beta (fl+ progress 1.0))))
  (values (case (settings-schedule s)
            [(linear) (fl* (settings-learning-rate s) (fl- 1.0 (fl/ progress steps)))]
            [(cosine) (fl* (fl* (settings-learning-rate s) 0.5)
                           (fl+ 1.0 (exact-cos (fl/ (fl* pi progress) steps))))])
          (correction (settings-beta1 s))
          (correction (settings-beta2 s))))

;; Adam on vectors of one length: nodes with their gradients, m and v.
(define (update! s step nodes m v)
  (define-values (rate correction1 correction2) (rates s step))
  (define beta1 (settings-beta1 s))
  (define beta2 (settings-beta2 s))
  (define (root x) (if (fl> x 0.0) (flsqrt x) (exact-pow x 0.5)))
  (for ([node (in-vector nodes)] [i (in-naturals)])
    (define g (node-gradient node))
    (define mi (fl+ (fl* beta1 (vector-ref m i)) (fl* (fl- 1.0 beta1) g)))
    (define vi (fl+ (fl* beta2 (vector-ref v i)) (fl* (fl- 1.0 beta2) (fl* g g))))
    (vector-set! m i mi)
    (vector-set! v i vi)
    (set-node-value! node
                     (fl- (node-value node)
                          (fl/ (fl* rate (fl/ mi correction1))
                               (fl+ (root (fl/ vi correction2)) (settings-epsilon s)))))))

;; The loss before the update. The nodes keep their gradients.
(define (train-step! m s step tokens moments1 moments2)
  (for ([node (in-vector (model-nodes m))])
    (set-node-gradient! node 0.0))
  (define loss (document-loss m tokens))
  (backward! loss)
  (update! s step (model-nodes m) moments1 moments2)
  (node-value loss))

;; ---- A whole run.

;; The stripped lines that are not empty, as a vector.
(define (documents-of lines)
  (define documents
    (for*/vector ([line (in-list lines)]
                  [document (in-value (string-trim line #px"[\t\n\v\f\r ]+"))]
                  #:unless (string=? document ""))
      document))
  (when (zero? (vector-length documents))
    (refuse "the dataset has no documents"))
  documents)

;; The distinct characters in order, as a string.
(define (vocabulary-of documents)
  (define known (for*/hasheqv ([document (in-vector documents)] [c (in-string document)]) (values c #t)))
  (when (> (hash-count known) 2047)
    (refuse "the dataset has more than 2047 distinct characters"))
  (list->string (sort (hash-keys known) char<?)))

(define (encode vocabulary document)
  (define bos (string-length vocabulary))
  (define tokens (for/hasheqv ([c (in-string vocabulary)] [token (in-naturals)]) (values c token)))
  (vector-append (vector bos)
                 (for/vector ([c (in-string document)]) (hash-ref tokens c))
                 (vector bos)))

;; Four decimals, rounded from the exact value. -0.0 keeps its sign.
(define (decimals x)
  (cond
    [(nan? x) "nan"]
    [(infinite? x) (if (> x 0.0) "inf" "-inf")]
    [else
     (define-values (whole fraction) (quotient/remainder (round (* 10000 (abs (inexact->exact x)))) 10000))
     (define sign (if (or (< x 0.0) (eqv? x -0.0)) "-" ""))
     (format "~a~a.~a" sign whole (~r fraction #:min-width 4 #:pad-string "0"))]))

(struct preset (block sigma output-sigma squared? settings))

(define presets
  (list (cons "seed" (preset 8 0.02 0.0 #t (settings 0.01 0.9 0.95 1e-8 'cosine 500)))
        (cons "classic" (preset 16 0.08 0.08 #f (settings 0.01 0.85 0.99 1e-8 'linear 1000)))))

(define (draw-parameters p s g)
  (for*/vector ([matrix (in-list (matrices s))]
                [sigma (in-value (if (member (first matrix) '("layer0.attn_wo" "layer0.mlp_fc2"))
                                     (preset-output-sigma p)
                                     (preset-sigma p)))]
                [_ (in-range (apply * (rest matrix)))])
    (gauss! g sigma)))

;; Calls say with each line that is printed. Returns the parameters' values, both moments and the generator.
(define (run p lines say #:steps [steps (settings-steps (preset-settings p))] #:samples [samples 20])
  (define g (seeded-generator 42))
  (define documents (documents-of lines))
  (shuffle! g documents)
  (define vocabulary (vocabulary-of documents))
  (define block (preset-block p))
  (define causal (build-vector block (λ (t) (range (add1 t)))))
  (define s (shape 1 4 16 block (add1 (string-length vocabulary)) (preset-squared? p) causal))
  (define m (new-model s (draw-parameters p s g)))
  (define count (vector-length (model-nodes m)))
  (define moments1 (make-vector count 0.0))
  (define moments2 (make-vector count 0.0))
  (define own-settings (struct-copy settings (preset-settings p) [steps steps]))
  (define (wide n width) (~r n #:min-width width))
  (say (format "num docs: ~a" (vector-length documents)))
  (say (format "vocab size: ~a" (shape-vocabulary s)))
  (say (format "num params: ~a" count))
  (for ([step (in-range steps)])
    (define document (vector-ref documents (modulo step (vector-length documents))))
    (define loss (train-step! m own-settings step (encode vocabulary document) moments1 moments2))
    (say (format "step ~a / ~a | loss ~a" (wide (add1 step) 4) (wide steps 4) (decimals loss))))
  (say "")
  (say "--- inference (new, hallucinated names) ---")
  (for ([number (in-range 1 (add1 samples))])
    (define text (list->string (map (λ (token) (string-ref vocabulary token)) (sample m 0.5 g))))
    (say (format "sample ~a: ~a" (wide number 2) text)))
  (values (values-of (model-nodes m)) moments1 moments2 g))
