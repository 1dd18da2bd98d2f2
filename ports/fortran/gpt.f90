!> Random numbers, the autograd, the model and its training (SPEC, sections 3 to 10).
module gpt
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use exact
  use protocol, only: failed, raise, reply_type
  implicit none
  private
  public :: twister_type, tape_type, shape_type, matrix_type, model_type, adam_type, text_type
  public :: seeded, make_model, strip, vocabulary_of, encoded, decimals, run

  integer(int64), parameter :: word_mask = 4294967295_int64

  type :: twister_type
    integer(int64) :: words(0:623)
    integer :: index = 624
    logical :: has_kept = .false.
    real(real64) :: kept = 0.0_real64
  contains
    procedure :: word => next_word
    procedure :: random, gauss, below, shuffled, choice
  end type

  !> The autograd: a node is a number. Its children are those from first(node) on: one a term, or the two factors of
  !> each term of a product. In any other node `local` is the local gradient for every child.
  type :: tape_type
    integer :: size = 0, children = 0
    real(real64), allocatable :: value(:), gradient(:)
    real(real64), allocatable, private :: local(:)
    integer, allocatable, private :: first(:), child(:)
    logical, allocatable, private :: is_product(:)
  contains
    procedure, private :: node, apply
    procedure :: leaf, add, mul, shift, scale => scaled, pow, log => logarithm, exp => exponential, relu, dot, total
    procedure :: softmax, backward, cut
  end type

  type :: list_type
    integer, allocatable :: item(:)
  end type

  type :: text_type
    integer, allocatable :: point(:)  ! code points
  end type

  type :: shape_type
    integer :: layers = 1, heads = 4, embedding = 16, block = 1, vocabulary = 2
    logical :: squared = .false.  ! the activation is the square of relu
    type(list_type), allocatable :: attend(:)
  end type

  type :: matrix_type
    character(16) :: name
    integer, allocatable :: node(:, :)  ! a column for each of its rows
  end type

  !> The parameters are the first nodes of the tape. Activations are put into the reply, if there is one.
  type :: model_type
    type(shape_type) :: shape
    type(tape_type) :: tape
    integer :: parameters = 0
    type(matrix_type), allocatable :: matrix(:)
    integer, allocatable :: keys(:, :, :), values(:, :, :)  ! (element, position, layer)
    type(reply_type), pointer :: reply => null()
  contains
    procedure :: loss, sample, put => put_matrices
    procedure, private :: note, logits, linear, rmsnorm, attention
  end type

  type :: adam_type
    real(real64) :: learning_rate, beta1, beta2, epsilon
    logical :: is_cosine
    integer :: steps
  contains
    procedure :: rate, update, step => training_step
  end type

contains

  ! Random numbers

  type(twister_type) function seeded(seed) result(self)
    integer(int64), intent(in) :: seed
    integer :: i, k
    self%words(0) = 19650218
    do i = 1, 623
      self%words(i) = iand(1812433253 * mixed(i) + i, word_mask)
    end do
    i = 1
    do k = 1, 624 + 623
      if (k <= 624) then
        self%words(i) = iand(ieor(self%words(i), mixed(i) * 1664525) + seed, word_mask)
      else
        self%words(i) = iand(ieor(self%words(i), mixed(i) * 1566083941) - i, word_mask)
      end if
      i = i + 1
      if (i == 624) then
        self%words(0) = self%words(623)
        i = 1
      end if
    end do
    self%words(0) = 2147483648_int64
  contains
    integer(int64) function mixed(place)
      integer, intent(in) :: place
      mixed = ieor(self%words(place - 1), shiftr(self%words(place - 1), 30))
    end function
  end function

  integer(int64) function next_word(self) result(y)
    class(twister_type), intent(inout) :: self
    integer :: i
    if (self%index == 624) then
      do i = 0, 623
        y = ior(iand(self%words(i), 2147483648_int64), iand(self%words(mod(i + 1, 624)), 2147483647_int64))
        self%words(i) = ieor(self%words(mod(i + 397, 624)), shiftr(y, 1))
        if (btest(y, 0)) self%words(i) = ieor(self%words(i), 2567483615_int64)
      end do
      self%index = 0
    end if
    y = self%words(self%index)
    self%index = self%index + 1
    y = ieor(y, shiftr(y, 11))
    y = ieor(y, iand(shiftl(y, 7), 2636928640_int64))
    y = ieor(y, iand(shiftl(y, 15), 4022730752_int64))
    y = ieor(y, shiftr(y, 18))
  end function

  real(real64) function random(self)
    class(twister_type), intent(inout) :: self
    integer(int64) :: a, b
    a = shiftr(self%word(), 5)
    b = shiftr(self%word(), 6)
    random = real(a * 67108864 + b, real64) / 9007199254740992.0_real64
  end function

  real(real64) function gauss(self, sigma)
    class(twister_type), intent(inout) :: self
    real(real64), intent(in) :: sigma
    real(real64) :: x, r, z
    z = self%kept
    self%has_kept = .not. self%has_kept
    if (self%has_kept) then
      x = self%random() * 6.283185307179586_real64
      r = sqrt(-2.0_real64 * exact_log(1.0_real64 - self%random()))
      z = exact_cos(x) * r
      self%kept = exact_sin(x) * r
    end if
    gauss = 0.0_real64 + z * sigma
  end function

  integer function below(self, limit)
    class(twister_type), intent(inout) :: self
    integer, intent(in) :: limit
    do
      below = int(shiftr(self%word(), leadz(limit)))
      if (below < limit) return
    end do
  end function

  !> The numbers from 1 to n, shuffled.
  function shuffled(self, n) result(item)
    class(twister_type), intent(inout) :: self
    integer, intent(in) :: n
    integer :: item(n), i, j
    item = [(i, i = 1, n)]
    do i = n, 2, -1
      j = self%below(i) + 1
      item([i, j]) = item([j, i])
    end do
  end function

  integer function choice(self, weights) result(low)
    class(twister_type), intent(inout) :: self
    real(real64), intent(in) :: weights(0:)
    real(real64) :: cumulative(0:ubound(weights, 1)), u
    integer :: i, high, middle
    low = 0
    high = ubound(weights, 1)
    cumulative = weights
    do i = 1, high
      cumulative(i) = cumulative(i - 1) + weights(i)
    end do
    if (.not. (cumulative(high) > 0.0_real64 .and. cumulative(high) <= huge(u))) then
      call raise('the weights must have a finite total above 0')
      return
    end if
    u = self%random() * cumulative(high)
    do while (low < high)
      middle = (low + high) / 2
      if (u < cumulative(middle)) then
        high = middle
      else
        low = middle + 1
      end if
    end do
  end function

  ! The autograd

  !> Adds a node; its children follow.
  integer function node(self, value, local, is_product, children)
    class(tape_type), intent(inout) :: self
    real(real64), intent(in) :: value, local
    logical, intent(in) :: is_product
    integer, intent(in) :: children(:)
    integer :: room
    if (.not. allocated(self%value)) then
      allocate (self%value(1024), self%gradient(1024), self%local(1024), self%first(1025), self%is_product(1024))
      allocate (self%child(4096))
      self%first(1) = 1
    end if
    room = size(self%value)
    if (self%size == room) then
      call double_reals(self%value)
      call double_reals(self%gradient)
      call double_reals(self%local)
      self%is_product = [self%is_product, self%is_product]
      call double_integers(self%first, room + 1)
    end if
    do while (self%children + size(children) > size(self%child))
      call double_integers(self%child, size(self%child))
    end do
    self%size = self%size + 1
    node = self%size
    self%value(node) = value
    self%local(node) = local
    self%is_product(node) = is_product
    self%child(self%children + 1:self%children + size(children)) = children
    self%children = self%children + size(children)
    self%first(node + 1) = self%children + 1
  end function

  subroutine double_reals(x)
    real(real64), allocatable, intent(inout) :: x(:)
    real(real64), allocatable :: longer(:)
    allocate (longer(2 * size(x)))
    longer(:size(x)) = x
    call move_alloc(longer, x)
  end subroutine

  subroutine double_integers(x, more)
    integer, allocatable, intent(inout) :: x(:)
    integer, intent(in) :: more
    integer, allocatable :: longer(:)
    allocate (longer(size(x) + more))
    longer(:size(x)) = x
    call move_alloc(longer, x)
  end subroutine

  !> Forgets all nodes after the first ones.
  subroutine cut(self, nodes)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: nodes
    self%size = nodes
    self%children = self%first(nodes + 1) - 1
  end subroutine

  integer function leaf(self, x)
    class(tape_type), intent(inout) :: self
    real(real64), intent(in) :: x
    leaf = self%node(x, 0.0_real64, .false., [integer ::])
  end function

  integer function apply(self, a, value, local)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a
    real(real64), intent(in) :: value, local
    apply = self%node(value, local, .false., [a])
  end function

  integer function add(self, a, b)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a, b
    add = self%node(self%value(a) + self%value(b), 1.0_real64, .false., [a, b])
  end function

  integer function mul(self, a, b)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a, b
    mul = self%node(self%value(a) * self%value(b), 0.0_real64, .true., [a, b])
  end function

  !> a + c and a * c for a plain number c.
  integer function shift(self, a, c)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a
    real(real64), intent(in) :: c
    shift = self%apply(a, self%value(a) + c, 1.0_real64)
  end function

  integer function scaled(self, a, c)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a
    real(real64), intent(in) :: c
    scaled = self%apply(a, self%value(a) * c, c)
  end function

  integer function pow(self, a, c)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a
    real(real64), intent(in) :: c
    pow = self%apply(a, exact_pow(self%value(a), c), c * exact_pow(self%value(a), c - 1.0_real64))
  end function

  integer function logarithm(self, a)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a
    logarithm = self%apply(a, exact_log(self%value(a)), 1.0_real64 / self%value(a))
  end function

  integer function exponential(self, a)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a
    real(real64) :: y
    y = exact_exp(self%value(a))
    exponential = self%apply(a, y, y)
  end function

  integer function relu(self, a)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: a
    real(real64) :: slope, y  ! a copy, since the array of values may move while a node is added
    slope = merge(1.0_real64, 0.0_real64, self%value(a) > 0.0_real64)
    y = merge(self%value(a), 0.0_real64, self%value(a) > 0.0_real64)
    relu = self%apply(a, y, slope)
  end function

  !> Sums and dot products as one node: no operand occurs twice, and none lies below another.
  integer function total(self, x)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: x(:)
    total = self%node(sum(self%value(x)), 1.0_real64, .false., x)
  end function

  integer function dot(self, w, x)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: w(:), x(:)
    integer :: pairs(2, size(w))
    pairs(1, :) = w
    pairs(2, :) = x
    dot = self%node(dot_product(self%value(w), self%value(x)), 0.0_real64, .true., reshape(pairs, [2 * size(w)]))
  end function

  !> Every division has a pow node of its own; they are alike.
  function softmax(self, x) result(y)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: x(:)
    integer :: y(size(x)), i, sum_node
    real(real64) :: top, inverse, local
    top = self%value(x(1))
    do i = 2, size(x)
      if (self%value(x(i)) > top) top = self%value(x(i))
    end do
    do i = 1, size(x)
      y(i) = self%exp(self%shift(x(i), -top))
    end do
    sum_node = self%total(y)
    inverse = 1.0_real64 / self%value(sum_node)
    local = -1.0_real64 * exact_pow(self%value(sum_node), -2.0_real64)
    do i = 1, size(x)
      y(i) = self%mul(y(i), self%apply(sum_node, inverse, local))
    end do
  end function

  !> The order is depth-first, without recursion: next(node) is the child that it visits next, or 0 before its visit.
  subroutine backward(self, root)
    class(tape_type), intent(inout) :: self
    integer, intent(in) :: root
    integer, allocatable :: next(:), path(:), order(:)
    integer :: depth, count, i, j, top
    real(real64) :: g
    allocate (next(self%size), path(self%size), order(self%size))
    next = merge(0, 1, self%first(2:self%size + 1) > self%first(:self%size))  ! a leaf has nothing to visit
    self%gradient(:self%size) = 0.0_real64
    depth = 1
    count = 0
    path(1) = root
    next(root) = self%first(root)
    do while (depth > 0)
      top = path(depth)
      if (next(top) >= self%first(top + 1)) then
        count = count + 1
        order(count) = top
        depth = depth - 1
      else
        i = self%child(next(top))
        next(top) = next(top) + 1
        if (next(i) > 0) cycle
        next(i) = self%first(i)
        depth = depth + 1
        path(depth) = i
      end if
    end do
    self%gradient(root) = 1.0_real64
    associate (gradient => self%gradient, value => self%value, child => self%child)
      do i = count, 1, -1
        top = order(i)
        g = gradient(top)
        if (self%is_product(top)) then
          do j = self%first(top), self%first(top + 1) - 2, 2
            gradient(child(j)) = gradient(child(j)) + value(child(j + 1)) * g
            gradient(child(j + 1)) = gradient(child(j + 1)) + value(child(j)) * g
          end do
        else
          do j = self%first(top), self%first(top + 1) - 1
            gradient(child(j)) = gradient(child(j)) + self%local(top) * g
          end do
        end if
      end do
    end associate
  end subroutine

  ! The model

  !> A model without numbers: its matrices in their order.
  type(model_type) function make_model(shape) result(model)
    type(shape_type), intent(in) :: shape
    integer :: i, e
    character(8) :: layer
    e = shape%embedding
    model%shape = shape
    allocate (model%matrix(0))
    allocate (model%keys(e, shape%block, shape%layers), model%values(e, shape%block, shape%layers))
    call append('wte', shape%vocabulary, e)
    call append('wpe', shape%block, e)
    call append('lm_head', shape%vocabulary, e)
    do i = 0, shape%layers - 1
      write (layer, '("layer", i0, ".")') i
      call append(trim(layer) // 'attn_wq', e, e)
      call append(trim(layer) // 'attn_wk', e, e)
      call append(trim(layer) // 'attn_wv', e, e)
      call append(trim(layer) // 'attn_wo', e, e)
      call append(trim(layer) // 'mlp_fc1', 4 * e, e)
      call append(trim(layer) // 'mlp_fc2', e, 4 * e)
    end do
  contains
    subroutine append(name, rows, columns)
      character(*), intent(in) :: name
      integer, intent(in) :: rows, columns
      integer :: k
      model%matrix = [model%matrix, matrix_type(name, &
        reshape([(k, k = model%parameters + 1, model%parameters + rows * columns)], [columns, rows]))]
      model%parameters = model%parameters + rows * columns
    end subroutine
  end function

  subroutine put_matrices(self, reply, prefix, x)
    class(model_type), intent(in) :: self
    type(reply_type), intent(inout) :: reply
    character(*), intent(in) :: prefix
    real(real64), intent(in) :: x(:)
    integer :: i
    do i = 1, size(self%matrix)
      associate (node => self%matrix(i)%node)
        call reply%put_tensor(prefix // trim(self%matrix(i)%name), size(node, 2), size(node, 1), x(node(1, 1):))
      end associate
    end do
  end subroutine

  subroutine note(self, name, x, position, layer, head)
    class(model_type), intent(inout) :: self
    character(*), intent(in) :: name
    integer, intent(in) :: x(:), position
    integer, intent(in), optional :: layer, head
    character(40) :: place
    if (.not. associated(self%reply)) return
    if (present(head)) then
      write (place, '("pos", i0, ".layer", i0, ".head", i0, ".")') position - 1, layer - 1, head - 1
    else if (present(layer)) then
      write (place, '("pos", i0, ".layer", i0, ".")') position - 1, layer - 1
    else
      write (place, '("pos", i0, ".")') position - 1
    end if
    call self%reply%put_tensor(trim(place) // name, 1, size(x), self%tape%value(x))
  end subroutine

  function linear(self, x, matrix) result(y)
    class(model_type), intent(inout) :: self
    integer, intent(in) :: x(:), matrix
    integer :: y(size(self%matrix(matrix)%node, 2)), i
    do i = 1, size(y)
      y(i) = self%tape%dot(self%matrix(matrix)%node(:, i), x)
    end do
  end function

  function rmsnorm(self, x) result(y)
    class(model_type), intent(inout) :: self
    integer, intent(in) :: x(:)
    integer :: y(size(x)), i, mean, scale
    mean = self%tape%scale(self%tape%dot(x, x), 1.0_real64 / real(size(x), real64))
    scale = self%tape%pow(self%tape%shift(mean, 0.00001_real64), -0.5_real64)
    do i = 1, size(x)
      y(i) = self%tape%mul(x(i), scale)
    end do
  end function

  !> The values at the positions to which t attends, mixed head by head.
  function attention(self, q, t, layer) result(mixed)
    class(model_type), intent(inout) :: self
    integer, intent(in) :: q(:), t, layer
    integer :: mixed(size(q)), head, i, size_of_head, first, last
    integer, allocatable :: list(:), scores(:)
    allocate (list, source=self%shape%attend(t)%item + 1)
    size_of_head = size(q) / self%shape%heads
    allocate (scores(size(list)))
    do head = 1, self%shape%heads
      first = (head - 1) * size_of_head + 1
      last = head * size_of_head
      do i = 1, size(list)
        scores(i) = self%tape%scale(self%tape%dot(q(first:last), self%keys(first:last, list(i), layer)), &
          1.0_real64 / sqrt(real(size_of_head, real64)))
      end do
      call self%note('scores', scores, t, layer, head)
      scores = self%tape%softmax(scores)
      call self%note('weights', scores, t, layer, head)
      do i = first, last
        mixed(i) = self%tape%dot(scores, self%values(i, list, layer))
      end do
      call self%note('mixed', mixed(first:last), t, layer, head)
    end do
  end function

  function logits(self, token, t) result(y)
    class(model_type), intent(inout) :: self
    integer, intent(in) :: token, t
    integer :: y(self%shape%vocabulary), i, layer, w
    integer, allocatable :: x(:), residual(:)
    allocate (x(self%shape%embedding))
    do i = 1, size(x)
      x(i) = self%tape%add(self%matrix(1)%node(i, token + 1), self%matrix(2)%node(i, t))
    end do
    call self%note('embedded', x, t)
    x = self%rmsnorm(x)
    call self%note('normed', x, t)
    do layer = 1, self%shape%layers
      w = 6 * layer - 3
      residual = x
      x = self%rmsnorm(x)
      call self%note('attn_norm', x, t, layer)
      y = 0
      associate (q => self%linear(x, w + 1))
        call self%note('q', q, t, layer)
        self%keys(:, t, layer) = self%linear(x, w + 2)
        call self%note('k', self%keys(:, t, layer), t, layer)
        self%values(:, t, layer) = self%linear(x, w + 3)
        call self%note('v', self%values(:, t, layer), t, layer)
        x = self%linear(self%attention(q, t, layer), w + 4)
      end associate
      call self%note('attn_out', x, t, layer)
      call add_residual('attn_residual')
      x = self%rmsnorm(x)
      call self%note('mlp_norm', x, t, layer)
      x = self%linear(x, w + 5)
      call self%note('hidden', x, t, layer)
      do i = 1, size(x)
        x(i) = self%tape%relu(x(i))
        if (self%shape%squared) x(i) = self%tape%pow(x(i), 2.0_real64)
      end do
      call self%note('activated', x, t, layer)
      x = self%linear(x, w + 6)
      call self%note('mlp_out', x, t, layer)
      call add_residual('mlp_residual')
    end do
    y = self%linear(x, 3)
    call self%note('logits', y, t)
  contains
    subroutine add_residual(name)
      character(*), intent(in) :: name
      do i = 1, size(x)
        x(i) = self%tape%add(x(i), residual(i))
      end do
      residual = x
      call self%note(name, x, t, layer)
    end subroutine
  end function

  !> The node of a document's loss.
  integer function loss(self, tokens)
    class(model_type), intent(inout) :: self
    integer, intent(in) :: tokens(:)
    integer, allocatable :: probabilities(:), losses(:)
    integer :: t, n
    call self%tape%cut(self%parameters)
    n = min(self%shape%block, size(tokens) - 1)
    allocate (losses(n))
    do t = 1, n
      probabilities = self%tape%softmax(self%logits(tokens(t), t))
      call self%note('probabilities', probabilities, t)
      losses(t) = self%tape%scale(self%tape%log(probabilities(tokens(t + 1) + 1)), -1.0_real64)
      call self%note('loss', losses(t:t), t)
    end do
    loss = self%tape%scale(self%tape%total(losses), 1.0_real64 / real(n, real64))
  end function

  !> The tokens of a sample. Each draw goes into the reply, if there is one.
  function sample(self, temperature, twister, reply) result(tokens)
    class(model_type), intent(inout) :: self
    real(real64), intent(in) :: temperature
    type(twister_type), intent(inout) :: twister
    type(reply_type), intent(inout), optional :: reply
    integer, allocatable :: tokens(:), scaled(:)
    real(real64), allocatable :: probabilities(:)
    integer :: t, i, token, bos
    call self%tape%cut(self%parameters)
    allocate (tokens(0))
    bos = self%shape%vocabulary - 1
    token = bos
    do t = 1, self%shape%block
      scaled = self%logits(token, t)
      do i = 1, size(scaled)
        scaled(i) = self%tape%scale(scaled(i), 1.0_real64 / temperature)
      end do
      scaled = self%tape%softmax(scaled)
      probabilities = self%tape%value(scaled)
      token = twister%choice(probabilities)
      if (failed()) return
      if (present(reply)) then
        call reply%put('probabilities', probabilities)
        call reply%put('token', token)
      end if
      if (token == bos) return
      tokens = [tokens, token]
    end do
  end function

  ! Training

  !> The learning rate, and the corrections of both moments.
  function rate(self, step) result(factors)
    class(adam_type), intent(in) :: self
    integer, intent(in) :: step
    real(real64) :: factors(3), s, n
    s = real(step, real64)
    n = real(self%steps, real64)
    if (self%is_cosine) then
      factors(1) = (self%learning_rate * 0.5_real64) * (1.0_real64 + exact_cos((acos(-1.0_real64) * s) / n))
    else
      factors(1) = self%learning_rate * (1.0_real64 - s / n)
    end if
    factors(2) = 1.0_real64 - exact_pow(self%beta1, s + 1.0_real64)
    factors(3) = 1.0_real64 - exact_pow(self%beta2, s + 1.0_real64)
  end function

  subroutine update(self, step, p, g, m, v)
    class(adam_type), intent(in) :: self
    integer, intent(in) :: step
    real(real64), intent(in) :: g(:)
    real(real64), intent(inout) :: p(:), m(:), v(:)
    real(real64) :: factors(3), square
    integer :: i
    factors = self%rate(step)
    m = self%beta1 * m + (1.0_real64 - self%beta1) * g
    v = self%beta2 * v + (1.0_real64 - self%beta2) * (g * g)
    do i = 1, size(p)
      square = v(i) / factors(3)
      if (square > 0.0_real64) then
        square = sqrt(square)
      else
        square = exact_pow(square, 0.5_real64)
      end if
      p(i) = p(i) - (factors(1) * (m(i) / factors(2))) / (square + self%epsilon)
    end do
  end subroutine

  !> One step on a document; its loss.
  real(real64) function training_step(self, step, model, tokens, m, v) result(loss)
    class(adam_type), intent(in) :: self
    integer, intent(in) :: step, tokens(:)
    type(model_type), intent(inout) :: model
    real(real64), intent(inout) :: m(:), v(:)
    integer :: root
    root = model%loss(tokens)
    loss = model%tape%value(root)
    call model%tape%backward(root)
    call self%update(step, model%tape%value(:size(m)), model%tape%gradient(:size(m)), m, v)
  end function

  ! Text, and a whole run

  !> Without the white space at both ends.
  function strip(line) result(stripped)
    integer, intent(in) :: line(:)
    integer, allocatable :: stripped(:)
    integer :: first, last
    logical :: is_space(size(line))
    is_space = line == 32 .or. (line >= 9 .and. line <= 13)
    first = findloc(is_space, .false., dim=1)
    last = findloc(is_space, .false., dim=1, back=.true.)
    stripped = line(max(first, 1):last)
  end function

  !> The distinct code points of all documents, in order.
  function vocabulary_of(documents) result(points)
    type(text_type), intent(in) :: documents(:)
    integer, allocatable :: points(:)
    logical, allocatable :: is_known(:)
    integer :: i
    allocate (is_known(0:1114111))
    is_known = .false.
    do i = 1, size(documents)
      is_known(documents(i)%point) = .true.
    end do
    points = pack([(i, i = 0, 1114111)], is_known)
    if (size(documents) == 0) call raise('the dataset has no documents')
    if (size(points) > 2047) call raise('the dataset has more than 2047 distinct characters')
  end function

  function encoded(document, points) result(tokens)
    type(text_type), intent(in) :: document
    integer, intent(in) :: points(:)
    integer, allocatable :: tokens(:)
    integer :: i
    tokens = [size(points), (findloc(points, document%point(i), dim=1) - 1, i = 1, size(document%point)), size(points)]
  end function

  function decimals(x) result(text)
    real(real64), intent(in) :: x
    character(:), allocatable :: text
    character(400) :: field
    if (x /= x) then
      text = 'nan'
    else if (abs(x) > huge(x)) then
      text = trim(merge('inf ', '-inf', x > 0.0_real64))
    else
      write (field, '(f400.4)') x
      text = trim(adjustl(field))
    end if
  end function

  !> Runs a preset. `print` gets each line as text and code points that follow it.
  subroutine run(is_seed, steps, samples, documents, print, model, m, v, twister)
    logical, intent(in) :: is_seed
    integer, intent(in) :: steps, samples
    type(text_type), intent(inout) :: documents(:)
    interface
      subroutine print(text, points)
        character(*), intent(in) :: text
        integer, intent(in) :: points(:)
      end subroutine
    end interface
    type(model_type), intent(out) :: model
    real(real64), allocatable, intent(out) :: m(:), v(:)
    type(twister_type), intent(out) :: twister
    integer, allocatable :: points(:)
    type(shape_type) :: shape
    type(adam_type) :: adam
    character(80) :: line
    integer :: i, k
    real(real64) :: sigma
    points = vocabulary_of(documents)
    if (failed()) return
    twister = seeded(42_int64)
    documents = documents(twister%shuffled(size(documents)))
    shape%block = merge(8, 16, is_seed)
    shape%vocabulary = size(points) + 1
    shape%squared = is_seed
    shape%attend = [(list_type([(k, k = 0, i)]), i = 0, shape%block - 1)]
    adam = adam_type(0.01_real64, 0.85_real64, 0.99_real64, 1e-8_real64, .false., steps)
    if (is_seed) adam = adam_type(0.01_real64, 0.9_real64, 0.95_real64, 1e-8_real64, .true., steps)
    model = make_model(shape)
    do i = 1, size(model%matrix)
      sigma = merge(0.02_real64, 0.08_real64, is_seed)
      if (is_seed .and. any(model%matrix(i)%name == ['layer0.attn_wo', 'layer0.mlp_fc2'])) sigma = 0.0_real64
      do k = 1, size(model%matrix(i)%node)
        if (model%tape%leaf(twister%gauss(sigma)) /= model%tape%size) error stop
      end do
    end do
    allocate (m(model%parameters), v(model%parameters), source=0.0_real64)
    write (line, '("num docs: ", i0)') size(documents)
    call print(trim(line), [integer ::])
    write (line, '("vocab size: ", i0)') shape%vocabulary
    call print(trim(line), [integer ::])
    write (line, '("num params: ", i0)') model%parameters
    call print(trim(line), [integer ::])
    do i = 1, steps
      associate (document => documents(mod(i - 1, size(documents)) + 1))
        write (line, '("step ", i4, " / ", i4, " | loss")') i, steps
        call print(trim(line) // ' ' // decimals(adam%step(i - 1, model, encoded(document, points), m, v)), [integer ::])
      end associate
    end do
    call print('', [integer ::])
    call print('--- inference (new, hallucinated names) ---', [integer ::])
    do i = 1, samples
      write (line, '("sample ", a, i0, ":")') repeat(' ', merge(1, 0, i < 10)), i
      associate (tokens => model%sample(0.5_real64, twister))
        call print(trim(line) // ' ', points(tokens + 1))
      end associate
    end do
  end subroutine
end module
