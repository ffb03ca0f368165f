// Draws chats as members and groups see them. Everything a message holds is put in as text, never as HTML.
'use strict';
const chats = new Map(); // id -> { name, messages: Map(number -> sent) }
const names = new Map(); // userid -> name
const apps = new Map();  // agentid -> name
const files = new Map(); // media_id -> file name
const read = new Map();  // chat id -> newest number seen
let chosen = decodeURIComponent(location.hash.slice(1)) || null; // a link such as /#user:zhangsan opens a chat

// Clients send every type; what is no list is a list of one, what is no text is its digits.
const list = (value) => (Array.isArray(value) ? value : value === undefined || value === null || value === '' ? [] : [value]);
const text = (value) => (value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value));
const file = (id) => files.get(id) || id;
const KINDS = { image: '图片', voice: '语音', video: '视频', file: '文件', textcard: '卡片', news: '图文', mpnews: '图文', template_card: '卡片', taskcard: '卡片', miniprogram_notice: '小程序', stream: '智能机器人', stream_with_template_card: '智能机器人' };

const el = (tag, className, content) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (content !== undefined) node.textContent = text(content);
  return node;
};

function chat(id, name) {
  if (!chats.has(id)) chats.set(id, { name, messages: new Map() });
  return chats.get(id);
}

function take(sent) {
  if (sent.swallowed) return;
  if (sent.target.kind === 'robot') chat('robot:' + sent.target.key, '群 · ' + sent.target.group).messages.set(sent.number, sent);
  else if (sent.target.kind === 'chat') chat('chat:' + sent.target.chatid, '群聊 · ' + (sent.target.name || sent.target.chatid)).messages.set(sent.number, sent);
  else if (sent.target.kind === 'smart_robot') chat('smart:' + sent.target.bot_id + ':' + sent.target.chat, '智能机器人 · ' + (names.get(sent.target.chat) || sent.target.chat)).messages.set(sent.number, sent);
  else for (const user of sent.target.users) chat('user:' + user, names.get(user) || user).messages.set(sent.number, sent);
}

// WeCom's text: links and mentions. Markdown: headings, bold, colours, quotes, code, links.
function inline(parent, line) {
  const pattern = /<a href="([^"]+)">([^<]*)<\/a>|<@([^>]+)>|\*\*([^*]+)\*\*|`([^`]+)`|\[([^\]]+)\]\(([^)]+)\)|<font color="(info|comment|warning)">(.*?)<\/font>/g;
  let at = 0;
  for (const found of line.matchAll(pattern)) {
    parent.append(line.slice(at, found.index));
    const [all, , linkText, mention, bold, code, mdText, , color, colored] = found;
    if (linkText !== undefined) parent.append(el('span', 'mention', linkText));
    else if (mention) parent.append(el('span', 'mention', '@' + (names.get(mention) || (mention === 'all' ? '所有人' : mention))));
    else if (bold) parent.append(el('strong', '', bold));
    else if (code) parent.append(el('code', '', code));
    else if (mdText) parent.append(el('span', 'mention', mdText));
    else if (color) parent.append(el('span', color, colored));
    at = found.index + all.length;
  }
  parent.append(line.slice(at));
}

// markdown_v2 besides: italics, lists, rules, tables, fenced code; no colours, no mentions.
function markdownV2(parent, source) {
  const lines = source.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    if (line.startsWith('```')) {
      const code = [];
      while (++i < lines.length && !lines[i].startsWith('```')) code.push(lines[i]);
      parent.append(el('pre', '', code.join('\n')));
    } else if (/^\|.*\|\s*$/.test(line)) {
      const table = el('table');
      for (; i < lines.length && /^\|.*\|\s*$/.test(lines[i]); i++) {
        const cells = lines[i].trim().slice(1, -1).split('|').map((cell) => cell.trim());
        if (cells.every((cell) => /^:?-+:?$/.test(cell))) continue;
        const row = el('tr');
        for (const cell of cells) row.append(el(table.rows && table.children.length ? 'td' : 'th', '', cell));
        table.append(row);
      }
      i--;
      parent.append(table);
    } else if (/^---+\s*$/.test(line)) parent.append(el('hr'));
    else if (/^ *[-*] /.test(line)) { const node = el('div', 'item'); node.style.marginLeft = `${line.search(/\S/) * 12}px`; node.textContent = '• ' + line.trim().slice(2); parent.append(node); }
    else markdown(parent, line.replace(/<(?=@|font|\/font)/g, '＜').replace(/!\[([^\]]*)\]\([^)]*\)/g, '🖼 $1').replace(/(^|[^*])\*([^*]+)\*(?!\*)/g, '$1$2'));
  }
}

function markdown(parent, source) {
  for (const line of source.split('\n')) {
    const heading = /^(#{1,6}) (.*)/.exec(line);
    const quote = /^>+ ?(.*)/.exec(line);
    const node = heading ? el('h3') : el('div', quote ? 'quote' : '');
    inline(node, heading ? heading[2] : quote ? quote[1] : line || ' ');
    parent.append(node);
  }
}

function card(parent, c) {
  if (c.source && c.source.desc) parent.append(el('div', 'desc', c.source.desc));
  for (const item of list(c.action_menu && c.action_menu.action_list)) parent.append(el('div', 'desc', '⋯ ' + text(item.text)));
  if (c.image_text_area) { parent.append(el('h3', '', c.image_text_area.title || '')); parent.append(el('div', 'desc', c.image_text_area.desc || '')); }
  if (c.card_image) parent.append(el('div', 'desc', '🖼 ' + c.card_image.url));
  if (c.main_title) { parent.append(el('h3', '', c.main_title.title || '')); if (c.main_title.desc) parent.append(el('div', 'desc', c.main_title.desc)); }
  if (c.emphasis_content) { parent.append(el('div', 'figure', c.emphasis_content.title || '')); parent.append(el('div', 'desc centre', c.emphasis_content.desc || '')); }
  if (c.quote_area) parent.append(el('div', 'quote', [c.quote_area.title, c.quote_area.quote_text].filter(Boolean).join('\n')));
  if (c.sub_title_text) parent.append(el('div', '', c.sub_title_text));
  for (const v of list(c.vertical_content_list)) { parent.append(el('strong', '', v.title)); parent.append(el('div', 'desc', v.desc || '')); }
  if ((c.horizontal_content_list || []).length) {
    const rows = el('dl');
    for (const h of list(c.horizontal_content_list)) { rows.append(el('dt', '', h.keyname)); rows.append(el('dd', '', h.value || '')); }
    parent.append(rows);
  }
  const questions = [c.checkbox, c.button_selection, ...list(c.select_list)].filter(Boolean);
  for (const q of questions) {
    if (q.title) parent.append(el('div', 'desc', q.title));
    for (const o of list(q.option_list)) parent.append(el('div', '', (o.is_checked || o.id === q.selected_id ? '◉ ' : '○ ') + o.text));
  }
  for (const b of list(c.button_list)) parent.append(el('div', 'button', b.text));
  if (c.submit_button) parent.append(el('div', 'button', c.submit_button.text || '提交'));
  for (const j of list(c.jump_list)) parent.append(el('div', 'link', j.title + ' ›'));
}

const LINTS = [['main_title.title', 36], ['main_title.desc', 44], ['sub_title_text', 160], ['emphasis_content.title', 14], ['emphasis_content.desc', 22]];
function lints(c) {
  return LINTS.map(([path, limit]) => [path, limit, path.split('.').reduce((o, k) => (o ? o[k] : undefined), c)])
    .filter(([, limit, value]) => typeof value === 'string' && [...value].length > limit)
    .map(([path, limit, value]) => `${path}: ${[...value].length} 字 > ${limit} (建议 advisory)`);
}

// A smart robot's text as it grows; what it thinks is set apart.
function stream(parent, s) {
  const source = text(s.content);
  const thought = /<think>([\s\S]*?)(<\/think>|$)/.exec(source);
  if (thought) parent.append(el('div', 'quote', thought[1]));
  markdownV2(parent, source.replace(/<think>[\s\S]*?(<\/think>|$)/, ''));
  if (!s.finish) parent.append(el('div', 'desc', '…'));
}

// A card as this member's copy shows it: WeCom changes copies one by one, or everybody's.
function copy(parent, c, update) {
  if (!update) return card(parent, c);
  if (update.template_card) { card(parent, { ...update.template_card, button_list: update.template_card.replace_text ? [] : update.template_card.button_list }); if (update.template_card.replace_text) parent.append(el('div', 'button', update.template_card.replace_text)); return undefined; }
  const replaced = update.button ? update.button.replace_name : update.replace_name || (update.passive_template_card || {}).ReplaceText || '已更新';
  card(parent, { ...c, button_list: [], submit_button: undefined });
  parent.append(el('div', 'button', replaced));
  return undefined;
}

function bubble(sent) {
  const node = el('div', 'bubble');
  const content = sent.body[sent.msgtype] || {};
  if (sent.recalled) { node.textContent = '消息已撤回 · recalled'; return node; }
  const plugin = document.getElementById('plugin').checked;
  if (plugin && ['markdown', 'template_card', 'miniprogram_notice'].includes(sent.msgtype)) {
    node.className = 'bubble desc';
    node.textContent = '[暂不支持查看此类消息，请在企业微信中查看 · not shown in the WeChat plugin]';
    return node;
  }
  switch (sent.msgtype) {
    case 'text': {
      inline(node, text(content.content));
      const mentions = [...list(content.mentioned_list), ...list(content.mentioned_mobile_list)];
      for (const m of mentions) node.append(el('span', 'mention', ' @' + (m === '@all' ? '所有人' : names.get(m) || text(m))));
      break;
    }
    case 'markdown': node.classList.add('block'); (sent.target.kind === 'smart_robot' ? markdownV2 : markdown)(node, text(content.content)); break;
    case 'markdown_v2': node.classList.add('block'); markdownV2(node, text(content.content)); break;
    case 'textcard': node.classList.add('block'); node.append(el('h3', '', content.title), el('div', 'desc', text(content.description).replace(/<br>|<\/div>/g, '\n').replace(/<[^>]+>/g, '')), el('div', 'link', (content.btntxt || '详情') + ' ›')); break;
    case 'news': case 'mpnews': node.classList.add('block'); for (const a of list(content.articles)) node.append(el('h3', '', a.title), el('div', 'desc', a.description || a.digest || '')); break;
    case 'stream': node.classList.add('block'); stream(node, content); break;
    case 'stream_with_template_card': node.classList.add('block'); stream(node, sent.body.stream || {}); if (sent.body.template_card) card(node, sent.body.template_card); break;
    case 'taskcard': node.classList.add('block'); node.append(el('h3', '', content.title), el('div', 'desc', content.description || '')); for (const b of list(content.btn)) node.append(el('div', 'button', b.name)); break;
    case 'template_card': node.classList.add('block'); copy(node, content, (sent.updates || {})[(chosen || '').split(':').pop()] || (sent.updates || {})['*']); for (const lint of lints(content)) node.append(el('div', 'lint', lint)); break;
    case 'miniprogram_notice': {
      node.classList.add('block');
      node.append(el('h3', '', content.title), el('div', 'desc', content.description || ''));
      const rows = el('dl');
      for (const item of list(content.content_item)) { rows.append(el('dt', '', item.key)); rows.append(el('dd', '', item.value)); }
      node.append(rows);
      break;
    }
    case 'image': {
      if (content.base64) { const img = el('img'); img.src = 'data:image/png;base64,' + text(content.base64).replace(/[^A-Za-z0-9+/=]/g, ''); node.append(img); } else node.textContent = '🖼 ' + file(content.media_id);
      break;
    }
    case 'voice': node.textContent = '🔊 ' + file(content.media_id); break;
    case 'video': node.textContent = '▶ ' + (content.title || '视频') + '\n' + (content.description || ''); break;
    default: node.textContent = '📄 ' + (file(content.media_id) || sent.msgtype);
  }
  return node;
}

// A message that cannot be drawn must not hide the others.
function drawn(sent) {
  try { return bubble(sent); } catch (error) { return el('div', 'bubble lint', `无法显示 · cannot be drawn: ${error.message}`); }
}

function draw() {
  const nav = document.getElementById('chats');
  if (chats.has(chosen)) read.set(chosen, last(chats.get(chosen)));
  nav.replaceChildren(...[...chats].sort((a, b) => last(b[1]) - last(a[1])).map(([id, c]) => {
    const button = el('button', id === chosen ? 'chosen' : '');
    const unread = [...c.messages.keys()].filter((number) => number > (read.get(id) || 0)).length;
    if (unread) button.append(el('span', 'count', String(unread)));
    button.append(c.name);
    const newest = [...c.messages.values()].at(-1);
    if (newest) button.append(el('span', 'last', newest.recalled ? '[已撤回]' : KINDS[newest.msgtype] ? `[${KINDS[newest.msgtype]}]` : text((newest.body[newest.msgtype] || {}).content)));
    button.onclick = () => { chosen = id; location.hash = id; draw(); };
    return button;
  }));
  const current = chats.get(chosen);
  if (!current) return;
  document.getElementById('title').textContent = current.name;
  const page = document.getElementById('messages');
  page.replaceChildren(...[...current.messages.values()].slice(-200).map((sent) => {
    const node = el('div', 'message' + (sent.recalled ? ' recalled' : ''));
    const from = sent.target.kind === 'robot' ? '🤖 消息推送' : sent.target.kind === 'smart_robot' ? '🤖 ' + sent.target.bot_id : apps.get(sent.target.agentid) || String(sent.target.agentid);
    node.append(el('div', 'from', `${from} · ${new Date(sent.at).toLocaleString('zh-CN')}`), drawn(sent));
    return node;
  }));
  page.scrollTop = page.scrollHeight;
}
const last = (c) => Math.max(0, ...[...c.messages.keys()].slice(-1));

async function load() {
  const world = await (await fetch('/_sim/world')).json();
  for (const corp of world.corps) {
    for (const app of corp.apps) apps.set(app.agentid, app.name);
    for (const member of corp.members) { names.set(member.userid, member.name); chat('user:' + member.userid, member.name); }
  }
  for (const media of world.media) files.set(media.media_id, media.file_name);
  for (const sent of await (await fetch('/_sim/outbox')).json()) take(sent);
  if (!chosen) chosen = [...chats].sort((a, b) => last(b[1]) - last(a[1]))[0]?.[0];
  draw();
}

let scheduled = false;
const events = new EventSource('/_sim/events');
events.onmessage = (event) => {
  take(JSON.parse(event.data));
  if (!scheduled) { scheduled = true; requestAnimationFrame(() => { scheduled = false; draw(); }); }
};
events.addEventListener('reload', load);
document.getElementById('plugin').onchange = draw;
load();
