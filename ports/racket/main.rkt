#lang racket/base
;; A procedure for each verb, the session that asks them, and the command for people.

(require racket/fixnum racket/flonum (only-in racket/list first rest) racket/match racket/math racket/port racket/vector
         "exact.rkt" "graph.rkt" "model.rkt" "protocol.rkt")

(define (take-math)
  (unless (take-one "math" (one-of '(("exact" . #t) ("native" . #f))))
    (refuse "unsupported")))

(define (hello)
  (finish)
  (put "name" "racket")
  (put "protocol" 1)
  (put "verbs" (map car verbs))
  (put "math" "exact"))

(define (code-points text) (map char->integer (string->list text)))

(define (arith)
  (define (few-enough-digits word)
    (define x (double word))
    (if (< (expt 2.0 53) (abs x) +inf.0) (refuse "decimals takes |x| up to 2^53") x))
  (define (dot xs)
    (let loop ([sum 0.0] [xs xs])
      (match xs
        ['() sum]
        [(list* x y others) (loop (fl+ sum (fl* x y)) others)]
        [_ (refuse "dot takes pairs")])))
  (each-line
   [(list "add" (app double x) (app double y)) (put "add" (fl+ x y))]
   [(list "sub" (app double x) (app double y)) (put "sub" (fl- x y))]
   [(list "mul" (app double x) (app double y)) (put "mul" (fl* x y))]
   [(list "div" (app double x) (app double y)) (put "div" (fl/ x y))]
   [(list "sqrt" (app double x)) (put "sqrt" (flsqrt x))]
   [(list "muladd" (app double x) (app double y) (app double z)) (put "muladd" (fl+ (fl* x y) z))]
   [(list "sum" (app double xs) ..1) (put "sum" (foldl (λ (x sum) (fl+ sum x)) 0.0 xs))]
   [(list "dot" (app double xs) ..1) (put "dot" (dot xs))]
   [(list "decimals" (app few-enough-digits x)) (put "decimals" (code-points (decimals x)))]))

(define (math)
  (define (angle word)
    (define x (double word))
    (if (> (abs x) 8.0) (refuse "sin and cos take |x| up to 8") x))
  (take-math)
  (each-line
   [(list "exp" (app double x)) (put "exp" (exact-exp x))]
   [(list "log" (app double x)) (put "log" (exact-log x))]
   [(list "sin" (app angle x)) (put "sin" (exact-sin x))]
   [(list "cos" (app angle x)) (put "cos" (exact-cos x))]
   [(list "pow" (app double x) (app (exponent 4096) y)) (put "pow" (exact-pow x y))]))

(define (random)
  (take-math)
  (define g (seeded-generator (take-one "seed" (integer-in 0 #xffffffff))))
  (define count (integer-in 0 1000))
  (define-syntax-rule (draws n draw) (build-vector n (λ (_) draw)))
  (each-line
   [(list "words" (app count n)) (put "words" (draws n (random-word g)))]
   [(list "random" (app count n)) (put "random" (draws n (random-double g)))]
   [(list "gauss" (app count n) (app double sigma)) (put "gauss" (draws n (gauss! g sigma)))]
   [(list "shuffle" (app (integer-in 0 10000) n))
    (define items (build-vector n values))
    (shuffle! g items)
    (put "shuffle" items)]
   [(list "choices" (app count n) (app double weights) ..1)
    (when (> (length weights) 1000)
      (refuse "choices takes up to 1000 weights"))
    (put "choices" (draws n (choice g (list->vector weights))))]
   [(list "state")
    (put "state" (generator-index g) (for/list ([word (generator-words g)]) word))
    (put "kept" (or (generator-kept g) "none"))]))

(define (take-dataset)
  (define (line points)
    (when (> (length points) 10000)
      (refuse "a line of text has up to 10000 code points"))
    (list->string (map code-point points)))
  (begin0
    (take-while "line" line)
    (finish)))

(define (tokens)
  (define documents (documents-of (take-dataset)))
  (define vocabulary (vocabulary-of documents))
  (put "documents" (vector-length documents))
  (put "vocabulary" (code-points vocabulary))
  (put "bos" (string-length vocabulary))
  (for ([document (in-vector documents)])
    (put "encoded" (encode vocabulary document))))

(define (graph)
  (take-math)
  (define expressions (make-vector (length (current-lines))))
  (define (read-all count)
    (define (node word) (vector-ref expressions ((integer-in 0 (sub1 count)) word)))
    (define (new node)
      (vector-set! expressions count node)
      (read-all (add1 count)))
    (line-case
     [(list "leaf" (app double x)) (new (leaf x))]
     [(list "add" (app node a) (app node b)) (new (add a b))]
     [(list "sub" (app node a) (app node b)) (new (add a (neg b)))]
     [(list "mul" (app node a) (app node b)) (new (mul a b))]
     [(list "div" (app node a) (app node b)) (new (mul a (node-pow b -1.0)))]
     [(list "sum" (app node a) (app node bs) ...) (new (foldl (λ (b sum) (add sum b)) (shift a 0.0) bs))]
     [(list "neg" (app node a)) (new (neg a))]
     [(list "exp" (app node a)) (new (node-exp a))]
     [(list "log" (app node a)) (new (node-log a))]
     [(list "relu" (app node a)) (new (relu a))]
     [(list "pow" (app node a) (app (exponent 1024) c)) (new (node-pow a c))]
     [(list "add_number" (app node a) (app double c)) (new (shift a c))]
     [(list "sub_number" (app node a) (app double c)) (new (shift a (fl* -1.0 c)))]
     [(list "mul_number" (app node a) (app double c)) (new (scale a c))]
     [(list "div_number" (app node a) (app double c)) (new (divided a c))]
     [(list "number_sub" (app double c) (app node a)) (new (shift (neg a) c))]
     [(list "number_div" (app double c) (app node a)) (new (scale (node-pow a -1.0) c))]
     [(list "root" (app node a)) (values a (vector-copy expressions 0 count))]))
  (define-values (root nodes) (read-all 0))
  (finish)
  (backward! root)
  (for ([value (in-vector (values-of nodes))])
    (put "value" value))
  (for ([gradient (in-vector (gradients-of nodes))])
    (put "gradient" gradient)))

(define (increasing? integers)
  (or (null? integers) (apply < integers)))

(define (take-shape)
  (take-math)
  (define layers (take-one "layers" (integer-in 1 16)))
  (define heads (take-one "heads" (integer-in 1 64)))
  (define embedding (take-one "embedding" (integer-in 1 512)))
  (define block (take-one "block" (integer-in 1 1024)))
  (define vocabulary (take-one "vocabulary" (integer-in 2 2048)))
  (define squared? (take-one "activation" (one-of '(("relu" . #f) ("squared_relu" . #t)))))
  (unless (zero? (modulo embedding heads))
    (refuse "embedding must be a multiple of heads"))
  (define (take-attention position)
    (define attended (map (integer-in 0 position) (take "attend")))
    (unless (and (increasing? attended) (memv position attended))
      (refuse "position ~a must attend to increasing positions, itself the last" position))
    attended)
  (shape layers heads embedding block vocabulary squared? (build-vector block take-attention)))

;; A reader of documents.
(define ((document s) tokens)
  (when (< (length tokens) 2)
    (refuse "a document has two or more tokens"))
  (list->vector (map (integer-in 0 (sub1 (shape-vocabulary s))) tokens)))

(define (take-model-and-document)
  (define s (take-shape))
  (define tokens ((document s) (take "tokens")))
  (define m (new-model s (take-matrices s)))
  (finish)
  (values m tokens))

(define (forward)
  (define (put-activation name nodes)
    (put-tensor name 1 (vector-length nodes) (values-of nodes)))
  (define-values (m tokens) (take-model-and-document))
  (put "loss" (node-value (document-loss m tokens #:watch put-activation))))

(define (backward)
  (define-values (m tokens) (take-model-and-document))
  (define loss (document-loss m tokens))
  (backward! loss)
  (put "loss" (node-value loss))
  (put-matrices (model-shape m) (gradients-of (model-nodes m))))

(define (take-settings)
  (define learning-rate (take-one "learning_rate" double))
  (define beta1 (take-one "beta1" double))
  (define beta2 (take-one "beta2" double))
  (define epsilon (take-one "epsilon" double))
  (define schedule (take-one "schedule" (one-of '(("linear" . linear) ("cosine" . cosine)))))
  (settings learning-rate beta1 beta2 epsilon schedule (take-one "steps" (integer-in 1 4096))))

(define (adam)
  (take-math)
  (define s (take-settings))
  (define step (take-one "step" (integer-in 0 (sub1 (settings-steps s)))))
  (define parameters (take-tensor "parameters"))
  (define rows (vector-length parameters))
  (define columns (vector-length (vector-ref parameters 0)))
  (define (flat tensor) (apply vector-append (vector->list tensor)))
  (define (take-flat name) (flat (take-tensor name rows columns)))
  (define nodes (vector-map leaf (flat parameters)))
  (define gradients (take-flat "gradients"))
  (define m (take-flat "m"))
  (define v (take-flat "v"))
  (finish)
  (for ([node (in-vector nodes)] [gradient (in-vector gradients)])
    (set-node-gradient! node gradient))
  (define-values (rate correction1 correction2) (rates s step))
  (put "rate" rate)
  (put "correction1" correction1)
  (put "correction2" correction2)
  (update! s step nodes m v)
  (for ([name '("m" "v" "parameters")] [doubles (list m v (values-of nodes))])
    (put-tensor name rows columns doubles)))

(define (train)
  (define s (take-shape))
  (define adam (take-settings))
  (define steps (settings-steps adam))
  (define from (take-one "from" (integer-in 0 (sub1 steps))))
  (define end (+ from (take-one "count" (integer-in 1 (- steps from)))))
  (define full (map (integer-in from (sub1 end)) (take "full")))
  (define documents (list->vector (take-while "tokens" (document s))))
  (unless (increasing? full)
    (refuse "the steps of full must increase"))
  (when (zero? (vector-length documents))
    (refuse "expected a line tokens"))
  (define model (new-model s (take-matrices s)))
  (define nodes (model-nodes model))
  (define (moments prefix)
    (if (zero? from)
        (make-vector (vector-length nodes) 0.0)
        (take-matrices s prefix)))
  (define m (moments "m."))
  (define v (moments "v."))
  (finish)
  (for ([step (in-range from end)])
    (define tokens (vector-ref documents (modulo step (vector-length documents))))
    (put "step" step)
    (put "loss" (train-step! model adam step tokens m v))
    (define names '("gradients" "m" "v" "parameters"))
    (define all (list (gradients-of nodes) m v (values-of nodes)))
    (for-each put-checksum names all)
    (when (memv step full)
      (for ([name (in-list names)] [doubles (in-list all)])
        (put-matrices s doubles (string-append name "."))))))

(define (sampling)
  (define s (take-shape))
  (define temperature (take-one "temperature" double))
  (define samples (take-one "samples" (integer-in 0 1000)))
  (define model (new-model s (take-matrices s)))
  (define-values (index words)
    (match (map (integer-in 0 #xffffffff) (take "state"))
      [(cons (? (λ (index) (<= index 624)) index) words)
       #:when (= (length words) 624)
       (values index words)]
      [_ (refuse "state takes an index up to 624 and 624 words")]))
  (define kept (take-one "kept" (λ (word) (if (string=? word "none") #f (double word)))))
  (finish)
  (define g (generator (apply fxvector words) index kept))
  (define (put-draw probabilities token)
    (put "probabilities" probabilities)
    (put "token" token))
  (for ([number (in-range samples)])
    (put "sample" number)
    (sample model temperature g #:on-draw put-draw))
  (put "word" (random-word g)))

(define (whole-run)
  (take-math)
  (define preset (take-one "preset" (one-of presets)))
  (define steps (take-one "steps" (integer-in 1 4096)))
  (define samples (take-one "samples" (integer-in 0 1000)))
  (define lines (take-dataset))
  (define (put-print line) (put "print" (code-points line)))
  (define-values (parameters m v g) (run preset lines put-print #:steps steps #:samples samples))
  (put-checksum "parameters" parameters)
  (put-checksum "m" m)
  (put-checksum "v" v)
  (put "word" (random-word g)))

(define verbs
  (list (cons "hello" hello) (cons "arith" arith) (cons "math" math) (cons "random" random)
        (cons "tokens" tokens) (cons "graph" graph) (cons "forward" forward) (cons "backward" backward)
        (cons "adam" adam) (cons "train" train) (cons "sample" sampling) (cons "run" whole-run)))

;; The reply to one request without its end.
(define (answer request complete?)
  (define header (if (null? request) "" (first request)))
  (match (regexp-match #px"^([!-~]+) ([A-Za-z0-9._-]{1,64})$" header)
    [(list _ verb id)
     #:when (<= (string-length header) longest-line)
     (with-handlers ([exn:fail:request? (λ (e) (format "error ~a ~a\n" id (exn-message e)))])
       (unless complete?
         (refuse "the input ended before the line end"))
       (define ask (cdr (or (assoc verb verbs) (refuse "unsupported"))))
       (parameterize ([current-lines (rest request)])
         (with-output-to-string
           (λ ()
             (put "ok" id)
             (ask)))))]
    [_ "error - expected a verb and an id\n"]))

(define (serve)
  (define (send request complete?)
    (write-string (answer (reverse request) complete?))
    (write-string "end\n")
    (flush-output))
  (let loop ([request '()])
    (define line (read-bytes-line (current-input-port) 'linefeed))
    (cond
      [(eof-object? line) (unless (null? request) (send request #f))]
      [(equal? line #"end") (send request #t) (loop '())]
      [else (loop (cons (bytes->string/latin-1 line) request))])))

(define (command preset)
  (define (decoded line)
    (with-handlers ([exn:fail:contract? (λ (_) (refuse "the input is not UTF-8"))])
      (bytes->string/utf-8 line)))
  (define lines
    (for/list ([line (in-bytes-lines (current-input-port) 'linefeed)])
      (decoded line)))
  (define (say line)
    (write-string line)
    (newline)
    (flush-output))
  (call-with-values (λ () (run preset lines say)) void))

(module+ main
  (with-handlers ([exn:fail:request? (λ (e)
                                       (eprintf "~a\n" (exn-message e))
                                       (exit 1))])
    (match (current-command-line-arguments)
      [(vector) (serve)]
      [(vector "run") (command ((one-of presets) "seed"))]
      [(vector "run" name) (command ((one-of presets) name))]
      [_ (refuse "usage: microgpt [run [seed|classic]]")])))
